"""What a client's connection does at the moment, and which events of its socket the loop watches."""

import selectors
from enum import Enum

READ, WRITE, NOTHING = selectors.EVENT_READ, selectors.EVENT_WRITE, 0


class State(Enum):
    HEAD = "reads a request's head, or waits for one"
    BODY = "reads its body"
    QUEUED = "waits for its turn, or a thread has it"
    PAUSED = "a stream has nothing to say"
    SENDING = "the client is reading the answer"
    DRAINING = "closed on our side; what still comes is thrown away"
    CLOSED = "closed"
