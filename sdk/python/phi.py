"""ΦOS for Python: the kernel, from inside a native capsule.

A capsule owns nothing but its capabilities. It finds them by the names that
its manifest gave them, and uses them by calls::

    import phi

    clock = phi.named("clock", phi.Endpoint)

    def handle(message):
        message.data = b"hello, " + message.data

    phi.serve(handle)

All numbers are those of package abi; a test there compares them with this
file. Every refusal is a StatusError, whose text says the remedy. The program
and the node speak one frame at a time, so one thread at a time uses this
module: a lock sees to it.

Python 3.9 or later, the standard library, one file: copy it beside your
program.
"""

from __future__ import annotations

import array
import mmap
import os
import socket
import struct
import threading
from typing import Callable, Iterator, List, Optional, Sequence, Tuple, Type, TypeVar

# The limits and layouts of package abi.
ARG_WORDS = 6
MESSAGE_WORDS = 4
MESSAGE_BYTES_MAX = 512
MESSAGE_HANDLE_MAX = 8
FRAME_PAYLOAD_MAX = 64 << 10
PAGE_BYTES = 4096

_HEAD = struct.Struct("<HHHHII Q 6Q")
_LABEL = struct.Struct("<QQ")
_MINT = struct.Struct("<II Q QQ Q II QQQ")
_MESSAGE = struct.Struct("<QQ QQq 4Q 8Q HBB I")
_PART_LABEL, _PART_MINT, _PART_MESSAGE, _PART_BYTES, _PART_ROOM = 1, 2, 4, 8, 16
_FRAME_BYTES_MAX = _HEAD.size + _LABEL.size + _MINT.size + _MESSAGE.size + MESSAGE_BYTES_MAX + FRAME_PAYLOAD_MAX
_LENGTH = struct.Struct("<I")

# The kernel's calls, by their numbers.
CALLS = {
    # generated: calls
    "CapMint": 1,
    "CapDelete": 2,
    "CapRevoke": 3,
    "CapInspect": 4,
    "CapSeal": 5,
    "CapUnseal": 6,
    "TaskCreate": 7,
    "TaskGrant": 8,
    "TaskStart": 9,
    "TaskKill": 10,
    "TaskInspect": 11,
    "TaskFault": 12,
    "TaskExit": 13,
    "BudgetCarve": 14,
    "BudgetSpend": 15,
    "BudgetInspect": 16,
    "RegionCreate": 17,
    "RegionMap": 18,
    "RegionUnmap": 19,
    "RegionRead": 20,
    "RegionWrite": 21,
    "RegionPin": 22,
    "RegionUnpin": 23,
    "RegionSettle": 24,
    "RegionInspect": 25,
    "EndpointCreate": 26,
    "EndpointCall": 27,
    "EndpointSend": 28,
    "EndpointReceive": 29,
    "EndpointReply": 30,
    "EndpointReplyReceive": 31,
    "ReplyCharge": 32,
    "ReplyCheck": 33,
    "NotificationCreate": 34,
    "NotificationSignal": 35,
    "NotificationWait": 36,
    "NotificationPoll": 37,
    "TimerCreate": 38,
    "TimerArm": 39,
    "TimerCancel": 40,
    "InterruptBind": 41,
    "InterruptAck": 42,
    "LabelEndorse": 43,
    "LabelDeclassify": 44,
    "LabelInspect": 45,
    # end
}

# The session's calls, between a program and its node.
SESSION_NAMED = 0x4000
SESSION_ARGUMENT = 0x4001
SESSION_OUTPUT = 0x4002
SESSION_SERVE = 0x4003
SESSION_READY = 0x4004

# The operations of a model, in word 2 of a message.
AI_INFER, AI_EMBED, AI_MAP_MODEL, AI_SELECT_DEVICE, AI_BATCH_START, AI_BATCH_END = range(1, 7)

# The operation of a clock, in word 2 too.
CLOCK_NOW = 1

# The rights.
# generated: rights
READ = 1 << 0
WRITE = 1 << 1
MAP = 1 << 2
EXECUTE = 1 << 3
PIN = 1 << 4
DMA = 1 << 5
SEND = 1 << 6
RECEIVE = 1 << 7
GRANT = 1 << 8
DERIVE = 1 << 9
REVOKE = 1 << 10
INVOKE = 1 << 11
MANAGE = 1 << 12
INSPECT = 1 << 13
ENDORSE = 1 << 14
DECLASSIFY = 1 << 15
LOAD = 1 << 16
RUN = 1 << 17
QUANTIZE = 1 << 18
DELETE = 1 << 19
# end

# The resources that budgets count.
MEMORY, SLOTS, CPU, TOKENS, NETWORK, ENERGY = range(6)

UNLIMITED = 0xFFFFFFFF
REGION_SHARED, REGION_PRIVATE = 1, 2
_ALL = 0xFFFFFFFFFFFFFFFF

# The statuses: name and text, by number.
STATUSES = [
    # generated: statuses
    ("ok", "ok"),
    ("bad-handle", "no such capability in this task: the handle is stale, forged or another task's"),
    ("revoked", "the capability was revoked: ask its giver for a new one"),
    ("rights", "the capability lacks a right that this call needs: ask its giver for a wider one"),
    ("type", "the capability is to another type of object"),
    ("bad-call", "no such call: see the list of calls in docs/abi.md"),
    ("bad-argument", "an argument has a value that means nothing here"),
    ("range", "offset and length reach past the end"),
    ("overlap", "the window overlaps one that is mapped: unmap that one first"),
    ("depth", "the chain is at its limit: derive from a capability nearer to the origin"),
    ("cycle", "the call would wait for its own caller"),
    ("self", "a task cannot grant to itself: derive instead"),
    ("table-full", "the capability table is full: delete a capability first"),
    ("peer-full", "the receiver's capability table is full: it must delete a capability first"),
    ("mailbox-full", "the mailbox is full: let the receiver catch up, then send again"),
    ("empty", "nothing is there yet"),
    ("budget", "the budget does not cover this: ask the parent for more"),
    ("limit", "a limit of the kernel is reached"),
    ("no-memory", "the machine is out of memory"),
    ("pin-limit", "the limit on pinned memory forbids this: raise RLIMIT_MEMLOCK or pin less"),
    ("peer-dead", "the other side is gone"),
    ("timeout", "the deadline has passed"),
    ("killed", "this task was killed"),
    ("label", "the data's label exceeds what this sink accepts: endorse or declassify it first"),
    ("expired", "the capability has expired: ask its giver for a new one"),
    ("exhausted", "the capability's uses are spent: ask its giver for a new one"),
    ("copies", "the capability may not be copied again: move it instead"),
    ("sealed", "the capability is sealed: unseal it first"),
    ("busy", "someone else is using this: try again"),
    ("denied", "a hook refused the call"),
    ("state", "the object's state does not allow this now"),
    ("unsupported", "this machine cannot do this"),
    ("authority", "this change of label exceeds the capability's authority"),
    ("journal", "the journal cannot record this, so it was not done: check the journal's disk"),
    # end
]


class StatusError(Exception):
    """The kernel refused a call. status is the number, name its short name."""

    def __init__(self, status: int) -> None:
        known = status < len(STATUSES)
        self.status = status
        self.name = STATUSES[status][0] if known else "status-%d" % status
        super().__init__(STATUSES[status][1] if known else "unknown status %d" % status)


# The statuses that programs look at most often.
# generated: constants
OK = 0
BAD_HANDLE = 1
REVOKED = 2
STATUS_RIGHTS = 3
TYPE = 4
BAD_CALL = 5
BAD_ARGUMENT = 6
RANGE = 7
OVERLAP = 8
DEPTH = 9
CYCLE = 10
SELF = 11
TABLE_FULL = 12
PEER_FULL = 13
MAILBOX_FULL = 14
EMPTY = 15
BUDGET = 16
LIMIT = 17
NO_MEMORY = 18
PIN_LIMIT = 19
PEER_DEAD = 20
TIMEOUT = 21
KILLED = 22
LABEL = 23
EXPIRED = 24
EXHAUSTED = 25
COPIES = 26
SEALED = 27
BUSY = 28
DENIED = 29
STATE = 30
UNSUPPORTED = 31
AUTHORITY = 32
JOURNAL = 33
# end


class Message:
    """What a call, send or reply carries.

    words are four numbers, data up to 512 bytes. handles are capabilities to
    send along; moves says which of them are given away and not copied. badge,
    reply, label and received, the handles that came along, are set on what was
    received. deadline is an absolute time
    in nanoseconds of the node's clock, zero waits for ever.
    """

    __slots__ = ("label", "badge", "reply", "deadline", "words", "handles", "moves", "data", "received")

    def __init__(self, data: bytes = b"", words: Sequence[int] = (), handles: Sequence["Handle"] = (), moves: Sequence[bool] = (), deadline: int = 0) -> None:
        self.data = bytes(data)
        self.words = list(words) + [0] * (MESSAGE_WORDS - len(words))
        self.handles: List[int] = [int(h) for h in handles]
        self.moves = list(moves)
        self.deadline = deadline
        self.label: Tuple[int, int] = (0, 0)
        self.badge = 0
        self.reply: Optional[Reply] = None
        self.received: List[int] = []

    def _encode(self) -> bytes:
        if len(self.data) > MESSAGE_BYTES_MAX or len(self.handles) > MESSAGE_HANDLE_MAX or len(self.words) != MESSAGE_WORDS:
            raise StatusError(RANGE)
        moves = 0
        for i, moved in enumerate(self.moves[: len(self.handles)]):
            moves |= bool(moved) << i
        handles = self.handles + [0] * (MESSAGE_HANDLE_MAX - len(self.handles))
        reply = int(self.reply) if self.reply is not None else 0
        head = _MESSAGE.pack(*self.label, self.badge, reply, self.deadline, *self.words, *handles, len(self.data), len(self.handles), moves, 0)
        return head + self.data

    def _decode(self, raw: memoryview) -> int:
        fields = _MESSAGE.unpack_from(raw)
        length, count = fields[17], fields[18]
        self.label, self.badge, self.deadline = (fields[0], fields[1]), fields[2], fields[4]
        self.reply = Reply(fields[3]) if fields[3] else None
        self.words = list(fields[5:9])
        self.received = list(fields[9 : 9 + count])
        self.data = bytes(raw[_MESSAGE.size : _MESSAGE.size + length])
        return _MESSAGE.size + length


class _Answer:
    """The parts of a frame that was received."""

    __slots__ = ("call", "status", "words", "label", "message", "data", "files")

    def __init__(self, raw: bytes, files: List[int]) -> None:
        view = memoryview(raw)
        self.call, parts, self.status, _, count, _, _, *words = _HEAD.unpack_from(view)
        self.words: List[int] = words
        self.files = files
        at = _HEAD.size
        self.label: Tuple[int, int] = (0, 0)
        if parts & _PART_LABEL:
            self.label = _LABEL.unpack_from(view, at)
            at += _LABEL.size
        if parts & _PART_MINT:
            at += _MINT.size
        self.message: Optional[Message] = None
        if parts & _PART_MESSAGE:
            self.message = Message()
            at += self.message._decode(view[at:])
        self.data = bytes(view[at : at + count]) if parts & _PART_BYTES else b""


class _Connection:
    """The stream to the node."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)
        self._socket = socket.socket(fileno=fd)
        self._lock = threading.RLock()

    def send(self, call: int, handle: int = 0, words: Sequence[int] = (), status: int = 0, mint: bytes = b"", message: Optional[Message] = None, data: Optional[bytes] = None, room: int = 0, label: Optional[Tuple[int, int]] = None) -> None:
        parts, count, body = 0, 0, b""
        if label is not None:
            parts, body = _PART_LABEL, _LABEL.pack(*label)
        if mint:
            parts, body = parts | _PART_MINT, body + mint
        if message is not None:
            parts, body = parts | _PART_MESSAGE, body + message._encode()
        if data is not None:
            parts, count, body = parts | _PART_BYTES, len(data), body + data
        elif room:
            parts, count = parts | _PART_ROOM, room
        if count > FRAME_PAYLOAD_MAX:
            raise StatusError(RANGE)
        padded = [w & _ALL for w in words] + [0] * (ARG_WORDS - len(words))
        frame = _HEAD.pack(call, parts, status, 0, count, 0, handle, *padded) + body
        self._socket.sendall(_LENGTH.pack(len(frame)) + frame)

    def receive(self) -> Optional[_Answer]:
        """Returns the next frame, None when the node is gone."""
        files: List[int] = []
        head = self._take(_LENGTH.size, files)
        if head is None:
            return None
        (length,) = _LENGTH.unpack(head)
        if not _HEAD.size <= length <= _FRAME_BYTES_MAX:
            raise ValueError("the node sent a frame of %d bytes" % length)
        raw = self._take(length, files)
        return None if raw is None else _Answer(raw, files)

    def _take(self, count: int, files: List[int]) -> Optional[bytes]:
        # A region's descriptor comes with the first byte of an answer.
        got = bytearray()
        while len(got) < count:
            room = socket.CMSG_SPACE(4 * array.array("i").itemsize)
            part, ancillary, _, _ = self._socket.recvmsg(count - len(got), room, socket.MSG_CMSG_CLOEXEC)
            for level, kind, content in ancillary:
                if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                    numbers = array.array("i")
                    numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
                    files.extend(numbers)
            if not part:
                return None
            got += part
        return bytes(got)

    def ask(self, call: int, handle: int = 0, words: Sequence[int] = (), keep: bool = False, **parts: object) -> _Answer:
        """Makes a call and waits for its answer."""
        with self._lock:
            self.send(call, handle, words, **parts)  # type: ignore[arg-type]
            answer = self.receive()
        if answer is None:
            raise SystemExit(0)  # the node is gone, or has ended this capsule
        if not keep or answer.status:
            for file in answer.files:
                os.close(file)
        if answer.status:
            raise StatusError(answer.status)
        return answer


_connection: Optional[_Connection] = None
_connecting = threading.Lock()


def _node() -> _Connection:
    global _connection
    with _connecting:
        if _connection is None:
            try:
                _connection = _Connection(int(os.environ["PHI_FD"]))
            except (KeyError, ValueError, OSError) as error:
                raise RuntimeError("this is not a capsule: start it with phi run") from error
        return _connection


def invoke(call: str, handle: int = 0, words: Sequence[int] = (), **parts: object) -> _Answer:
    """Makes any call of the kernel by its name, such as "CapInspect"."""
    return _node().ask(CALLS[call], int(handle), words, **parts)


class Handle(int):
    """A capability of this task: a number that means nothing in another."""

    def mint(self, rights: int, badge: int = 0, uses: int = UNLIMITED, expires: int = 0, copies: int = UNLIMITED, base: int = 0, size: int = 0) -> "Handle":
        """Makes a lesser capability to the same object."""
        mint = _MINT.pack(rights, rights, badge, _ALL, 0, expires, uses, copies, base, size, 0)
        return type(self)(invoke("CapMint", self, mint=mint).words[0])

    def delete(self) -> None:
        """Gives the capability up, and revokes what was derived from it."""
        invoke("CapDelete", self)

    def revoke(self) -> None:
        """Revokes everything derived from the capability."""
        invoke("CapRevoke", self)

    def inspect(self) -> List[int]:
        """Returns type, rights, badge, object id, base and bytes."""
        return invoke("CapInspect", self).words


_H = TypeVar("_H", bound=Handle)


class Endpoint(Handle):
    """A place where calls and messages meet their server."""

    def call(self, message: Message) -> Message:
        """Sends a message and waits for the answer."""
        answer = invoke("EndpointCall", self, message=message).message
        return answer if answer is not None else Message()

    def send(self, message: Message) -> None:
        """Leaves a message in the mailbox; never waits."""
        invoke("EndpointSend", self, message=message)

    def receive(self, deadline: int = 0) -> Message:
        """Takes the oldest message, waiting for one."""
        answer = invoke("EndpointReceive", self, message=Message(deadline=deadline)).message
        return answer if answer is not None else Message()


class Clock(Endpoint):
    """A clock, which is a capability like everything else."""

    def now(self) -> Tuple[int, int]:
        """Returns two times in nanoseconds: on the scale of all deadlines, which
        never goes back, and since 1970."""
        answer = self.call(Message(words=[0, 0, CLOCK_NOW, 0]))
        return answer.words[0], answer.words[1]


class Reply(Handle):
    """The right to answer one call."""

    def answer(self, message: Message) -> None:
        """Answers the call and uses the capability up."""
        message.reply = None
        invoke("EndpointReply", self, message=message)

    def charge(self, resource: int, amount: int) -> None:
        """Charges the caller for what is being done for it."""
        invoke("ReplyCharge", self, [resource, amount])

    def check(self) -> bool:
        """Says whether the caller still waits."""
        try:
            invoke("ReplyCheck", self)
        except StatusError:
            return False
        return True


class Notification(Handle):
    """A word of 32 bits that can be signalled and waited for."""

    def signal(self, bits: int) -> None:
        """Sets bits and wakes the waiter; never blocks."""
        invoke("NotificationSignal", self, [bits])

    def wait(self, mask: int = UNLIMITED, deadline: int = 0) -> int:
        """Waits until a bit of the mask is set; takes and clears those."""
        return invoke("NotificationWait", self, [mask, deadline]).words[0]

    def poll(self, mask: int = UNLIMITED) -> int:
        """Takes and clears the bits of the mask without waiting."""
        return invoke("NotificationPoll", self, [mask]).words[0]


class Timer(Handle):
    """A timer that signals bits."""

    def arm(self, at: int, period: int = 0) -> None:
        """Sets when the timer fires."""
        invoke("TimerArm", self, [at, period])

    def cancel(self) -> None:
        """Stops the timer."""
        invoke("TimerCancel", self)


class Region(Handle):
    """Memory that can be shared."""

    _next = 1 << 32  # names of windows; nothing lies there
    _naming = threading.Lock()

    def size(self) -> int:
        """Returns how many bytes the region has."""
        return invoke("RegionInspect", self).words[0]

    def read(self, offset: int, count: int) -> bytes:
        """Copies bytes out of the region."""
        parts = []
        while count > 0:
            part = min(count, FRAME_PAYLOAD_MAX)
            parts.append(invoke("RegionRead", self, [offset], room=part).data)
            offset, count = offset + part, count - part
        return b"".join(parts)

    def write(self, offset: int, data: bytes) -> None:
        """Copies bytes into the region."""
        for at in range(0, len(data), FRAME_PAYLOAD_MAX):
            invoke("RegionWrite", self, [offset + at], data=bytes(data[at : at + FRAME_PAYLOAD_MAX]))

    def map(self, shared: bool = False) -> mmap.mmap:
        """Shows all of the region in memory.

        shared reads and writes the region itself; otherwise what is written
        stays a private copy. The window lasts as long as the program: when it
        is revoked, the program is killed.
        """
        size = self.size()
        with Region._naming:
            address = Region._next
            Region._next += (size + PAGE_BYTES - 1) // PAGE_BYTES * PAGE_BYTES
        words = [0, size, REGION_SHARED if shared else REGION_PRIVATE, address]
        answer = _node().ask(CALLS["RegionMap"], self, words, keep=True)
        if len(answer.files) != 1:
            raise StatusError(UNSUPPORTED)
        flags = mmap.MAP_SHARED if shared else mmap.MAP_PRIVATE
        try:
            size = min(size, os.fstat(answer.files[0]).st_size)  # a model ends within a page
            return mmap.mmap(answer.files[0], size, flags, mmap.PROT_READ | mmap.PROT_WRITE)
        finally:
            os.close(answer.files[0])


class Budget(Handle):
    """What may be spent."""

    def available(self) -> List[int]:
        """Returns what is left of each resource."""
        return invoke("BudgetInspect", self, [0]).words

    def spend(self, resource: int, amount: int) -> None:
        """Spends from the budget."""
        invoke("BudgetSpend", self, [resource, amount])

    def region(self, size: int) -> Region:
        """Makes zeroed memory, charged to the budget."""
        return Region(invoke("RegionCreate", self, [size]).words[0])

    def endpoint(self, capacity: int) -> Endpoint:
        """Makes an endpoint whose mailbox holds so many messages."""
        return Endpoint(invoke("EndpointCreate", self, [capacity, 0], label=(_ALL, 0)).words[0])

    def notification(self) -> Notification:
        """Makes a notification."""
        return Notification(invoke("NotificationCreate", self).words[0])

    def timer(self, notification: Notification, bits: int) -> Timer:
        """Makes a timer that signals the bits."""
        return Timer(invoke("TimerCreate", self, [notification, bits]).words[0])


# What word 3 of a request to a model says above the tokens.
AI_JSON, AI_STREAM, AI_NEXT, AI_STOP, AI_BATCH = (1 << (32 + i) for i in range(5))
AI_NUMBER_SHIFT = 48
# Why a text ended, in the low half of word 2 of the answer.
AI_REASONS = ("", "stop", "length", "tool_calls", "budget", "deadline", "cancelled")


class Model(Endpoint):
    """A model that can be asked.

    What does not fit into a message goes by a region, which is made on the
    budget that was granted as "budget".
    """

    reason = ""  # why the last text ended, one of AI_REASONS

    def _operate(self, operation: int, data: bytes = b"", flags: int = 0, room: int = 0) -> Tuple[Message, bytes]:
        need = max(len(data), room)
        if need <= MESSAGE_BYTES_MAX:
            answer = self.call(Message(data, [0, 0, operation, flags]))
            return answer, answer.data
        region = named("budget", Budget).region(need)
        try:
            if len(data) <= MESSAGE_BYTES_MAX:
                answer = self.call(Message(data, [0, 0, operation, flags], [region]))
            else:
                region.write(0, data)
                answer = self.call(Message(b"", [0, len(data), operation, flags], [region]))
            there = answer.words[1]
            return answer, answer.data if there <= MESSAGE_BYTES_MAX else region.read(0, there)
        finally:
            region.delete()

    def stream(self, prompt: str, tokens: int = 0) -> Iterator[str]:
        """Runs the model on a prompt and returns the pieces of what it says."""
        number = self._operate(AI_INFER, prompt.encode(), AI_STREAM | tokens)[0].words[0] << AI_NUMBER_SHIFT
        while True:
            answer, piece = self._operate(AI_INFER, b"", AI_NEXT | number)
            yield piece.decode("utf-8", "replace")
            if answer.words[2]:
                self.reason = AI_REASONS[answer.words[2] & 0xFF]
                return

    def infer(self, prompt: str, tokens: int = 0) -> str:
        """Runs the model on a prompt and returns what it says."""
        return "".join(self.stream(prompt, tokens))

    def infer_json(self, request: str, room: int = 1 << 16) -> str:
        """Runs the model on a request in JSON; the answer is JSON, too."""
        return self._operate(AI_INFER, request.encode(), AI_JSON, room)[1].decode("utf-8", "replace")

    def embed(self, *texts: str) -> List[List[float]]:
        """Turns texts into vectors of 32-bit numbers."""
        answer, data = self._operate(AI_EMBED, b"\0".join(t.encode() for t in texts), 0, len(texts) << 14)
        width = answer.words[2] & 0xFFFFFFFF
        numbers = struct.unpack("<%df" % (len(data) // 4), data[: len(data) // 4 * 4])
        return [list(numbers[i * width : (i + 1) * width]) for i in range(len(texts))]

    def map_model(self) -> Region:
        """Asks for a region that shows the model's file, for reading."""
        answer = self._operate(AI_MAP_MODEL)[0]
        if not answer.received:
            raise StatusError(UNSUPPORTED)
        return Region(answer.received[0])

    def select_device(self, constraints: str = "") -> str:
        """Asks which unit would run the model under constraints, in JSON."""
        return self._operate(AI_SELECT_DEVICE, constraints.encode())[1].decode("utf-8", "replace")

    def batch(self, prompts: Sequence[str], tokens: int = 0, room: int = 1 << 16) -> List[str]:
        """Runs the model on prompts together and returns what it says to each."""
        number = self._operate(AI_BATCH_START)[0].words[0] << AI_NUMBER_SHIFT
        for prompt in prompts:
            self._operate(AI_INFER, prompt.encode(), AI_BATCH | number | tokens)
        data = self._operate(AI_BATCH_END, b"", number, room)[1]
        answers, at = [], 0
        while at + 16 <= len(data):
            size = struct.unpack_from("<I", data, at + 12)[0]
            answers.append(data[at + 16 : at + 16 + size].decode("utf-8", "replace"))
            at += 16 + size
        return answers


def named(name: str, kind: Type[_H] = Handle) -> _H:  # type: ignore[assignment]
    """Returns the capability that was granted under a name of the manifest.

    Raises StatusError DENIED when it was asked for and not granted, BAD_HANDLE
    when the manifest does not ask for it.
    """
    return kind(_node().ask(SESSION_NAMED, data=name.encode()).words[0])


def argument() -> int:
    """Returns the number that the program was started with."""
    return _node().ask(SESSION_ARGUMENT).words[0]


def log(text: str) -> None:
    """Shows a line to people, in order with the calls around it."""
    data = (text + "\n").encode("utf-8", "replace")
    for at in range(0, len(data), FRAME_PAYLOAD_MAX):
        _node().ask(SESSION_OUTPUT, words=[1], data=data[at : at + FRAME_PAYLOAD_MAX])


def serve(handler: Callable[[Message], Optional[int]]) -> None:
    """Serves messages until the node ends the program.

    The handler finds the message and leaves the answer in it. It returns None
    or a status; a StatusError that it raises is answered with its status, any
    other exception ends the program, and its supervisor decides.
    """
    node = _node()
    node.send(SESSION_READY)
    while True:
        got = node.receive()
        if got is None:
            return
        if got.call != SESSION_SERVE or got.message is None:
            raise ValueError("the node sent call %#x where a message was due" % got.call)
        message = got.message
        try:
            status = handler(message) or 0
        except StatusError as refused:
            status = refused.status
        node.send(SESSION_SERVE, status=status, message=None if status else message)
