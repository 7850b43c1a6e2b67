"""A small server in Python.

It answers three requests: "ping", "time", and "words TEXT", which counts the
words of the text. Anything else is greeted.
"""

import datetime
from collections import Counter

import phi


def say_time() -> str:
    try:
        clock = phi.named("clock", phi.Clock)
    except phi.StatusError as refused:
        return "nobody gave me a clock: " + str(refused)
    _, wall = clock.now()
    return datetime.datetime.fromtimestamp(wall / 1e9, datetime.timezone.utc).isoformat(timespec="seconds")


def count_words(text: str) -> str:
    words = Counter(text.lower().split())
    if not words:
        return "no words"
    word, times = min(words.items(), key=lambda item: (-item[1], item[0]))
    return "%d words, %d different, most often %s (%d)" % (sum(words.values()), len(words), word, times)


def handle(message: phi.Message) -> None:
    request, _, rest = message.data.decode("utf-8", "replace").partition(" ")
    if request == "ping":
        answer = "pong"
    elif request == "time":
        answer = say_time()
    elif request == "words":
        answer = count_words(rest)
    else:
        answer = "hello, %s" % (request or "world")
    message.data = answer.encode()[: phi.MESSAGE_BYTES_MAX]


if __name__ == "__main__":
    phi.log("hello-python is ready")
    phi.serve(handle)
