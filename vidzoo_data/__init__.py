"""Videos to records to clips, on TensorFlow and OpenCV."""
