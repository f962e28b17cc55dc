"""What is said of flow's duration before it starts."""

import logging

import pytest

from vidzoo.tasks import prepare


@pytest.mark.parametrize(
    "seconds, duration",
    [
        (0, "a time that no video's header tells"),
        (40, "about a minute with 2 processes"),
        (2 * 60 * 23, "about 23 minutes with"),
        (2 * 3600 * 2.5, "about 2.5 hours with"),
    ],
)
def test_duration(seconds, duration, caplog):
    caplog.set_level(logging.INFO, "vidzoo")
    prepare.say_how_long("tvl1", 5242.4, seconds, 2)
    (message,) = caplog.messages
    assert message.startswith("flow: about 5242 fields by tvl1, at most ")
    assert duration in message
