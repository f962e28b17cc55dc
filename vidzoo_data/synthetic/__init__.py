"""Motion shapes: videos that only motion tells apart, with their exact flow."""

from vidzoo_data.synthetic.dataset import write as write
from vidzoo_data.synthetic.in_memory import Arrays as Arrays
from vidzoo_data.synthetic.in_memory import arrays as arrays
from vidzoo_data.synthetic.rendering import exact_flow as exact_flow
from vidzoo_data.synthetic.rendering import render as render
from vidzoo_data.synthetic.scene import MOTIONS as MOTIONS
from vidzoo_data.synthetic.scene import SHAPES as SHAPES
from vidzoo_data.synthetic.scene import TWIN as TWIN
from vidzoo_data.synthetic.scene import Scene as Scene
from vidzoo_data.synthetic.scene import State as State
from vidzoo_data.synthetic.scene import Texture as Texture
from vidzoo_data.synthetic.scene import draw_scene as draw_scene
from vidzoo_data.synthetic.scene import state_at as state_at
from vidzoo_data.synthetic.scene import twin as twin
