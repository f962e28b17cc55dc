"""What DeepMind prints of its four I3D networks' answers to the clip it publishes.

From kinetics-i3d: `out/imagenet_rgb.txt` and the like, where the networks trained on
Kinetics alone are called `no_imagenet`; class numbers are lines of its
`data/label_map.txt`, from 0.
"""

from vidzoo.weights.preset import ClipAnswer

_FOLDER = (
    "https://raw.githubusercontent.com/google-deepmind/kinetics-i3d/master/data/"
    "v_CricketShot_g04_c01"
)
_NUM_CHANNELS = {"rgb": 3, "flow": 2}


def _answer(modality, norm, logits):
    return ClipAnswer(
        url=f"{_FOLDER}_{modality}.npy",
        shape=(1, 79, 224, 224, _NUM_CHANNELS[modality]),
        norm=norm,
        logits=logits,
    )


I3D = {
    "rgb_imagenet": _answer(
        "rgb",
        norm=87.108871,
        logits={
            227: 25.856646,  # playing cricket
            237: 12.330335,  # playing kickball
            48: 11.254371,  # catching or throwing baseball
            297: 10.883866,  # shooting goal (soccer)
            50: 10.393131,  # catching or throwing softball
            358: 10.008317,  # throwing discus
            166: 9.804514,  # javelin throw
            143: 9.681604,  # golf putting
            168: 9.49558,  # jogging
            153: 9.490318,  # hitting baseball
            367: 9.3243265,  # triple jump
            161: 8.685253,  # hurling (sport)
            306: 8.533437,  # skateboarding
            160: 8.181894,  # hurdling
            246: 8.133075,  # playing tennis
            34: 8.048665,  # breakdancing
            148: 7.969584,  # hammer throw
            298: 7.9668636,  # shot put
            182: 7.8151855,  # long jump
            150: 7.7918606,  # headbutting
        },
    ),
    "rgb_scratch": _answer(
        "rgb",
        norm=87.217987,
        logits={
            227: 19.4886,  # playing cricket
            277: 12.6938,  # robot dancing
            256: 12.3322,  # pumping fist
            34: 11.6732,  # breakdancing
            161: 10.9871,  # hurling (sport)
            297: 10.9695,  # shooting goal (soccer)
            51: 10.0855,  # celebrating
            153: 9.4847,  # hitting baseball
            349: 8.91449,  # tap dancing
            48: 8.79147,  # catching or throwing baseball
            179: 8.72363,  # krumping
            3: 8.65523,  # applauding
            173: 8.48969,  # jumpstyle dancing
            143: 8.36819,  # golf putting
            85: 8.33376,  # dancing charleston
            306: 8.30652,  # skateboarding
            171: 7.92664,  # juggling soccer ball
            55: 7.86816,  # cheerleading
            237: 7.79629,  # playing kickball
            150: 7.57055,  # headbutting
        },
    ),
    "flow_imagenet": _answer(
        "flow",
        norm=63.252754,
        logits={
            227: 15.957031,  # playing cricket
            161: 12.808723,  # hurling (sport)
            246: 10.527044,  # playing tennis
            245: 10.0088,  # playing squash or racquetball
            153: 9.425033,  # hitting baseball
            48: 8.879737,  # catching or throwing baseball
            345: 8.863155,  # sword fighting
            50: 8.832453,  # catching or throwing softball
            148: 7.6928024,  # hammer throw
            218: 7.481077,  # playing badminton
            256: 6.359167,  # pumping fist
            346: 6.3529463,  # tai chi
            363: 5.8576136,  # training dog
            49: 5.744365,  # catching or throwing frisbee
            357: 5.606787,  # throwing ball
            51: 5.570133,  # celebrating
            298: 5.5605125,  # shot put
            235: 5.3386106,  # playing ice hockey
            143: 5.2955847,  # golf putting
            253: 5.2776113,  # pole vault
        },
    ),
    "flow_scratch": _answer(
        "flow",
        norm=85.503799,
        logits={
            227: 15.4269,  # playing cricket
            161: 13.6819,  # hurling (sport)
            153: 12.8289,  # hitting baseball
            50: 11.7791,  # catching or throwing softball
            245: 11.7047,  # playing squash or racquetball
            246: 11.6894,  # playing tennis
            48: 11.6127,  # catching or throwing baseball
            218: 11.5078,  # playing badminton
            345: 11.2462,  # sword fighting
            297: 10.965,  # shooting goal (soccer)
            208: 10.869,  # passing American football (in game)
            94: 10.3374,  # dodgeball
            220: 10.3276,  # playing basketball
            251: 9.41766,  # playing volleyball
            174: 9.22756,  # kicking field goal
            152: 9.0787,  # high kick
            49: 8.84016,  # catching or throwing frisbee
            166: 8.80432,  # javelin throw
            107: 8.77606,  # dunking basketball
            357: 8.31382,  # throwing ball
        },
    ),
}
