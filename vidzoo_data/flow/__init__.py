"""Optical flow: computing, storing, warping by it, and pictures of it.

Flow is `(H, W, 2)` float32: (u, v) in pixels from frame t to t+1, x right, y down.
"""

from vidzoo_data.flow.compute import METHODS as METHODS
from vidzoo_data.flow.compute import dis as dis
from vidzoo_data.flow.compute import farneback as farneback
from vidzoo_data.flow.compute import rlof_epic as rlof_epic
from vidzoo_data.flow.compute import tvl1 as tvl1
from vidzoo_data.flow.datasets import FlowDataset as FlowDataset
from vidzoo_data.flow.datasets import FlowPair as FlowPair
from vidzoo_data.flow.datasets import FlowSample as FlowSample
from vidzoo_data.flow.datasets import chairs_split_file as chairs_split_file
from vidzoo_data.flow.datasets import flying_chairs as flying_chairs
from vidzoo_data.flow.datasets import read_sample as read_sample
from vidzoo_data.flow.datasets import sintel as sintel
from vidzoo_data.flow.encode import FULL_LENGTH_BOUND as FULL_LENGTH_BOUND
from vidzoo_data.flow.encode import TSN_BOUND as TSN_BOUND
from vidzoo_data.flow.encode import from_bytes as from_bytes
from vidzoo_data.flow.encode import from_images as from_images
from vidzoo_data.flow.encode import to_bytes as to_bytes
from vidzoo_data.flow.encode import to_images as to_images
from vidzoo_data.flow.files import read_flo as read_flo
from vidzoo_data.flow.files import read_kitti as read_kitti
from vidzoo_data.flow.files import write_flo as write_flo
from vidzoo_data.flow.files import write_kitti as write_kitti
from vidzoo_data.flow.frames import read_frame as read_frame
from vidzoo_data.flow.frames import read_pair as read_pair
from vidzoo_data.flow.frames import write_png as write_png
from vidzoo_data.flow.picture import color_wheel as color_wheel
from vidzoo_data.flow.picture import picture as picture
from vidzoo_data.flow.picture import strip as strip
from vidzoo_data.flow.stored import FlowSettings as FlowSettings
from vidzoo_data.flow.warp import photometric_error as photometric_error
from vidzoo_data.flow.warp import warp as warp
