"""Videos to records to clips, on TensorFlow and OpenCV."""

import os

import vidzoo.errors  # noqa: F401 - turns oneDNN on, which must precede TensorFlow

# FFmpeg's and OpenCV's own messages are silenced: a damaged file is reported once, by
# us. OpenCV reads its level as it is imported, which modules below here do, FFmpeg its
# own when the first video is opened.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
