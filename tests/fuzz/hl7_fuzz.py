"""The HL7 fuzzer: ``python tests/fuzz/hl7_fuzz.py --inputs 1000000``.

Each input goes through the frame reader (whole, in portions, and with a small limit), the receiver with its header
reader (whose answers are held against the rules' own), the message reader, the rules and the acknowledgement. Nothing
may raise but what is told in their docstrings. An input is made from its number and the seed alone, so that one that
fails can be made again.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from random import Random

from hl7_mutations import mutate, seeds

from adapters.hl7.ack import build_ack, read_ack
from adapters.hl7.framing import Frame, FrameReader
from adapters.hl7.message import Message, read_message, split_messages
from adapters.hl7.mllp_limits import Peer
from adapters.hl7.receiver import MessageReceiver
from service.errors import UnusableInput
from service.intake import understand
from service.model import NewMessage

SEED = 20260312
_LIMIT = 400
_AFRESH = 0.25
_WHOLE = 0.4
"""The parts of the inputs that are also given to a fresh receiver; of which every segment is taken apart."""
_PEER = Peer("fuzz", 0)


@dataclass(frozen=True, kw_only=True)
class Report:
    """``messages``: inputs in which a header was found. ``slowest``: seconds of the slowest input."""

    inputs: int
    messages: int
    slowest: float
    slowest_input: int


def fuzz(first: int, count: int, seed: int = SEED) -> Report:
    """Inputs number ``first`` and the ``count - 1`` after it.

    Raises:
        AssertionError: an input broke something; names its number, with the error as its cause.
    """
    corpus = seeds()
    receiver = MessageReceiver(_keep)
    messages = 0
    slowest = (0.0, first)
    for number in range(first, first + count):
        random = Random(seed * 1_000_000_007 + number)
        data = mutate(random, corpus)
        started = time.perf_counter()
        try:
            messages += _try(data, random, receiver)
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}: {type(error).__name__}: {data!r}") from error
        slowest = max(slowest, (time.perf_counter() - started, number))
    return Report(inputs=count, messages=messages, slowest=round(slowest[0], 4), slowest_input=slowest[1])


def fuzz_everywhere(count: int, *, processes: int, seed: int = SEED) -> dict[str, object]:
    """``count`` inputs spread over processes, as what is kept in docs/results."""
    started = time.perf_counter()
    share = -(-count // processes)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        shares = [pool.submit(fuzz, first, min(share, count - first), seed) for first in range(0, count, share)]
        reports = [each.result() for each in shares]
    slowest = max(reports, key=lambda report: report.slowest)
    return {
        "targets": ["FrameReader", "MessageReceiver with Headers", "read_message", "understand", "build_ack"],
        "seed": seed,
        "inputs": sum(report.inputs for report in reports),
        "with_header": sum(report.messages for report in reports),
        "unhandled_errors": 0,
        "seconds": round(time.perf_counter() - started, 1),
        "processes": processes,
        "slowest_input": {"number": slowest.slowest_input, "seconds": slowest.slowest},
        "command": f"python tests/fuzz/hl7_fuzz.py --inputs {count} --seed {seed}",
    }


def _try(data: bytes, random: Random, receiver: MessageReceiver) -> bool:
    _read_frames(data, random)
    _receive(data.translate(None, b"\x0b\x1c"), random, receiver)  # no frame's body has them
    try:
        message = read_message(data)
    except UnusableInput:
        return False
    assert len(split_messages(data)) >= 1
    _understand(message, random)
    return True


def _read_frames(data: bytes, random: Random) -> None:
    """The same in any portions; none of a frame's bytes is lost or invented."""
    whole = FrameReader(max_message_bytes=1 << 20)
    taken = [*whole.feed(data), whole.end()]
    parts = FrameReader(max_message_bytes=1 << 20)
    small = FrameReader(max_message_bytes=_LIMIT)
    found = []
    position = 0
    while position < len(data):
        portion = data[position : position + random.choice((1, 30, 100, 900))]
        position += len(portion)
        found += parts.feed(portion)
        assert all(len(each.body) <= _LIMIT for each in small.feed(portion) if isinstance(each, Frame))
    assert [*found, parts.end()] == taken
    small.end()


def _receive(data: bytes, random: Random, receiver: MessageReceiver) -> None:
    """An answer, if there is one, reads as an acknowledgement; a fresh receiver, tried now and then, gives the same."""
    given = _answers(receiver, data)
    if random.random() > _AFRESH:
        return
    afresh = _answers(MessageReceiver(_keep), data)
    assert [_told(each) for each in given] == [_told(each) for each in afresh]


def _answers(receiver: MessageReceiver, data: bytes) -> Sequence[bytes]:
    results: list[object] = []
    receiver.receive(data, _PEER, results.append)
    (result,) = results
    assert not isinstance(result, Exception), result
    assert isinstance(result, list | tuple)
    return result


def _keep(message: NewMessage, told: Callable[[object], None]) -> None:
    assert message.ack_code in (None, "AA", "AE", "AR", "CA", "CE", "CR")
    told(None)


def _told(answer: bytes) -> tuple[str, str, str]:
    try:
        ack = read_ack(answer)
    except UnusableInput:
        assert answer.startswith((b"FHS", b"BHS"))  # the answer to a batch
        return "", "", ""
    return ack.code, ack.control_id, ack.error_code


def _understand(message: Message, random: Random) -> None:
    reading = understand(message)
    assert not reading.starts_letter or reading.case_key
    if reading.ack.code is not None:
        built = build_ack(message.header, reading.ack)
        if message.header.value(1) == "|":
            sent = message.header.sent(10).encode(message.header.encoding)
            code = reading.ack.code.encode(message.header.encoding)
            assert "\rMSA|".encode(message.header.encoding) + code + "|".encode(message.header.encoding) + sent in built
    for segment in message.segments() if random.random() < _WHOLE else ():
        for field in (0, 2, 3, 5, 19):
            repetition = segment.repetitions(field)
            segment.components(field, repetition)
            segment.value(field, component=2, sub=2, repetition=repetition)
        segment.source(3, component=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", type=int, help="one input by its number")
    given = parser.parse_args()
    if given.only is not None:
        report: object = asdict(fuzz(given.only, 1, given.seed))
    else:
        report = fuzz_everywhere(given.inputs, processes=given.processes, seed=given.seed)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
