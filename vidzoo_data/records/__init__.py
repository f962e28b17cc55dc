"""Records: one `SequenceExample` per video, in shards of TFRecords.

Import the modules one by one: `encode` needs no TensorFlow, and the worker processes of
`prepare` load nothing else.
"""
