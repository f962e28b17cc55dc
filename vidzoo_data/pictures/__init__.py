"""Pictures, and frames of videos, for retrieval: data sets, reading, batches."""

from vidzoo_data.pictures.batches import Batch as Batch
from vidzoo_data.pictures.batches import Failure as Failure
from vidzoo_data.pictures.batches import batches as batches
from vidzoo_data.pictures.listing import Picture as Picture
from vidzoo_data.pictures.listing import PictureSet as PictureSet
from vidzoo_data.pictures.listing import Query as Query
from vidzoo_data.pictures.read import WARP as WARP
from vidzoo_data.pictures.read import Frame as Frame
from vidzoo_data.pictures.read import decode as decode
from vidzoo_data.pictures.read import read as read
from vidzoo_data.pictures.read import read_frames as read_frames
from vidzoo_data.pictures.sources import LAYOUTS as LAYOUTS
from vidzoo_data.pictures.sources import list_pictures as list_pictures
