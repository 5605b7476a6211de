#!/usr/bin/env python3
"""Verifies an export of the journal, and needs nothing but Python 3.8 and this file.

    python3 verify_journal.py journal.jsonl [--to POSITION] [--anchor POSITION HASH]

The export has one JSON object for each event, in the order of positions:

    {"position": 1, "event": "<base64>", "journal_hash": "<hex>"}

or, as `buf curl` and `grpcurl` print what SubscribeEvents answers,

    {"position": "1", "eventBytes": "<base64>", "journalHash": "<base64>"}

where the hash stands on the last event of a segment alone. "-" reads standard input. The first thing
that does not fit is named, with exit code 1; otherwise totals and the last hash, with exit code 0.
What is no event at all, as anybody may put on a topic, is set aside and counted. docs/AUDIT.md tells
what is checked, and what that proves.
"""

import argparse
import base64
import hashlib
import json
import re
import sys

POSITION = re.compile(r"[1-9][0-9]{0,18}")
HASH = re.compile(r"[0-9a-f]{64}")
AMOUNT = re.compile(r"(?!-0\.0000)-?(0|[1-9][0-9]{0,14})\.[0-9]{4}")


class DoesNotFit(Exception):
    """Something in the export contradicts the rest of it."""


class NoEvent(Exception):
    """A message that is no event of the journal: it proves nothing, whoever sent it."""


# --- Protobuf, as far as it is needed -------------------------------------------------------------


NUMBER, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5


def fields(data):
    """Yields (field number, wire type, value) of an encoded message: int for a NUMBER, else bytes."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        wire_type = tag & 7
        if wire_type == NUMBER:
            value, at = varint(data, at)
        else:
            if wire_type == BYTES:
                length, at = varint(data, at)
            elif wire_type in (FIXED_64, FIXED_32):
                length = 8 if wire_type == FIXED_64 else 4
            else:
                raise NoEvent(f"it has a field of wire type {wire_type}")
            value, at = data[at : at + length], at + length
            if at > len(data):
                raise NoEvent("it ends inside a field")
        yield tag >> 3, wire_type, value


def varint(data, at):
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise NoEvent("it ends inside a number")


def text(value):
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise NoEvent("one of its texts is none") from None


def message(data, names):
    """One message as a dictionary; `names` gives name, wire type and reader of each field number.

    Numbers that are not named are passed over: later versions of the contract may add fields.
    """
    found = {}
    for number, wire_type, value in fields(data):
        if number not in names:
            continue
        name, expected, read = names[number]
        if wire_type != expected:
            raise NoEvent(f"its field {name} is of another type")
        if name in ("legs", "changes"):
            found.setdefault(name, []).append(read(value))
        else:
            found[name] = read(value)
    return found


# The numbers are those of proto/pelikuni/wallet/v1/wallet_event.proto.
SIDE = {1: ("wallet", BYTES, text), 2: ("account", BYTES, text)}
LEG = {
    1: ("from", BYTES, lambda data: message(data, SIDE)),
    2: ("to", BYTES, lambda data: message(data, SIDE)),
    3: ("amount", BYTES, text),
    4: ("currency", BYTES, text),
}
CHANGE = {
    1: ("wallet", BYTES, text),
    2: ("user", BYTES, text),
    3: ("currency", BYTES, text),
    4: ("version", NUMBER, int),
    5: ("balance", BYTES, text),
    6: ("held", BYTES, text),
    8: ("amount", BYTES, text),
    9: ("previous_head", BYTES, bytes),
}
TIME = {1: ("seconds", NUMBER, int), 2: ("nanos", NUMBER, int)}
EVENT = {
    1: ("transaction", BYTES, text),
    2: ("time", BYTES, lambda data: message(data, TIME)),
    4: ("legs", BYTES, lambda data: message(data, LEG)),
    5: ("changes", BYTES, lambda data: message(data, CHANGE)),
}


def read_event(data):
    event = message(data, EVENT)
    if "transaction" not in event or "changes" not in event:
        raise NoEvent("it is no WalletEvent")
    return event


def units(amount):
    """Ten-thousandths of the currency: whole numbers, in which nothing is rounded."""
    if AMOUNT.fullmatch(amount) is None:
        raise DoesNotFit(f'"{amount}" is no amount with four decimals')
    return int(amount.replace(".", ""))


def sha256(data):
    return hashlib.sha256(data).digest()


# --- What is verified -----------------------------------------------------------------------------


class Journal:
    """What the events read so far make of every wallet, and of the chain of hashes."""

    def __init__(self):
        self.position = 0
        self.last_event = b""
        self.segments = 0
        self.journal_hash = b""
        self.open_digests = []
        # wallet -> (version, balance, head, time, user, currency)
        self.wallets = {}
        # (account, currency) -> what has come to it, less what has gone; of accounts outside
        self.accounts = {}

    def add(self, position, event, content, journal_hash):
        if position == self.position and event == self.last_event:
            # A message that was delivered twice; it may bring the hash that the first one lacked.
            if journal_hash and self.open_digests:
                self.close_segment(journal_hash)
            return
        if position == self.position:
            raise DoesNotFit("two different events have this position: a fork")
        if position != self.position + 1:
            raise DoesNotFit(f"position {self.position + 1} comes next; it is missing or misplaced")
        self.replay(content, sha256(event))
        self.position = position
        self.last_event = event
        self.open_digests.append(sha256(event))
        if journal_hash:
            self.close_segment(journal_hash)

    def close_segment(self, journal_hash):
        first = self.position - len(self.open_digests) + 1
        segment = self.journal_hash + first.to_bytes(8, "big") + b"".join(self.open_digests)
        if sha256(segment) != journal_hash:
            raise DoesNotFit(
                f"the journal hash of positions {first} to {self.position} does not fit: one of"
                " these events, or an earlier hash, is not the original"
            )
        self.journal_hash = journal_hash
        self.segments += 1
        self.open_digests = []

    def replay(self, event, head):
        changes = event["changes"]
        net = self.move(event.get("legs", []))
        named = [change.get("wallet", "") for change in changes]
        if len(set(named)) != len(named):
            raise DoesNotFit("the event changes a wallet twice")
        for wallet, currency in net:
            if not any((c.get("wallet"), c.get("currency")) == (wallet, currency) for c in changes):
                raise DoesNotFit(f"a leg moves {currency} of wallet {wallet}, and no change tells")
        time = event.get("time", {})
        at = (time.get("seconds", 0), time.get("nanos", 0))
        for change in changes:
            self.apply(change, net, at, head)

    def move(self, legs):
        """Sums up what the legs do to each wallet, and does it to the accounts outside."""
        net = {}
        for leg in legs:
            amount, currency = units(leg.get("amount", "")), leg.get("currency", "")
            if amount <= 0:
                raise DoesNotFit("a leg has an amount that is not greater than zero")
            for side, signed in ((leg.get("from", {}), -amount), (leg.get("to", {}), amount)):
                if "wallet" in side:
                    key, sums = (side["wallet"], currency), net
                elif side.get("account"):
                    key, sums = (side["account"], currency), self.accounts
                else:
                    raise DoesNotFit("a leg has an end that is neither wallet nor account")
                sums[key] = sums.get(key, 0) + signed
        return net

    def apply(self, change, net, at, head):
        wallet, user = change.get("wallet", ""), change.get("user", "")
        currency, version = change.get("currency", ""), change.get("version", 0)
        new = (-1, 0, b"", at, user, currency)
        before = self.wallets.get(wallet, new)
        if version != before[0] + 1:
            raise DoesNotFit(f"wallet {wallet}: version {version}, {before[0] + 1} comes next")
        if change.get("previous_head", b"") != before[2]:
            raise DoesNotFit(
                f"wallet {wallet}: previous_head of version {version} is not the SHA-256 of the"
                " event before"
            )
        if (user, currency) != before[4:]:
            raise DoesNotFit(f"wallet {wallet}: another owner or currency at version {version}")
        if at < before[3]:
            raise DoesNotFit(f"wallet {wallet}: version {version} happened before the one before")
        moved = net.get((wallet, currency), 0)
        if units(change.get("amount", "")) != moved:
            raise DoesNotFit(f"wallet {wallet}: the amount of version {version} is not its legs'")
        balance = units(change.get("balance", ""))
        if balance != before[1] + moved:
            raise DoesNotFit(f"wallet {wallet}: the balance of version {version} is not its legs'")
        if balance < 0:
            raise DoesNotFit(f"wallet {wallet}: the balance of version {version} is negative")
        if not 0 <= units(change.get("held", "")) <= balance:
            raise DoesNotFit(f"wallet {wallet}: more is held at version {version} than there is")
        self.wallets[wallet] = (version, balance, head, at, user, currency)

    def totals(self):
        """Per currency: what wallets hold, and what accounts outside have; together nothing."""
        sums = {}
        for _, balance, _, _, _, currency in self.wallets.values():
            inside, outside = sums.get(currency, (0, 0))
            sums[currency] = (inside + balance, outside)
        for (_, currency), amount in self.accounts.items():
            inside, outside = sums.get(currency, (0, 0))
            sums[currency] = (inside, outside + amount)
        for currency, (inside, outside) in sorted(sums.items()):
            if inside + outside != 0:
                raise DoesNotFit(f"money is not conserved: {currency} sums up to {inside + outside}")
        return sums


# --- The export -----------------------------------------------------------------------------------


def records(lines):
    """Yields JSON objects, each on one line or printed over several."""
    pending = ""
    for line in lines:
        pending += line
        if not line.rstrip().endswith("}"):
            continue
        try:
            record = json.loads(pending)
        except (ValueError, RecursionError):
            continue
        yield record
        pending = ""
    if pending.strip():
        raise DoesNotFit("the export ends in something that is not a JSON object")


def read(record):
    """(position, bytes of the event, journal hash or nothing)"""
    try:
        position = str(record["position"])
        text_of_event = record["event"] if "event" in record else record["eventBytes"]
        event = base64.b64decode(text_of_event, validate=True)
        journal_hash = record.get("journal_hash", "")
        if "journalHash" in record:
            journal_hash = base64.b64decode(record["journalHash"], validate=True).hex()
    except (KeyError, TypeError, ValueError, AttributeError):
        raise DoesNotFit(f"not a record of an export: {str(record)[:80]}") from None
    if POSITION.fullmatch(position) is None:
        raise NoEvent("it has no position")
    if journal_hash != "" and HASH.fullmatch(str(journal_hash)) is None:
        raise NoEvent("its journal hash is none")
    return int(position), event, bytes.fromhex(journal_hash)


class SetAside:
    """Counts what is no event of the journal."""

    def __init__(self):
        self.count = 0
        self.first = ""

    def add(self, record, why):
        self.count += 1
        known = POSITION.fullmatch(str(record["position"])) is not None
        self.first = self.first or (f"position {record['position']}: {why}" if known else str(why))

    def told(self):
        if self.count == 0:
            return ""
        messages = "1 message that is" if self.count == 1 else f"{self.count} messages that are"
        return f"Set aside: {messages} no event of the journal (first: {self.first})\n"


def verify(lines, to, anchor, aside):
    journal = Journal()
    anchored = anchor is None
    for record in records(lines):
        try:
            position, event, journal_hash = read(record)
            content = read_event(event)
        except NoEvent as why:
            aside.add(record, why)
            continue
        try:
            journal.add(position, event, content, journal_hash)
            if anchor is not None and anchor[0] == position and not journal.open_digests:
                if journal.journal_hash != anchor[1]:
                    raise DoesNotFit("the journal hash is not the one of the anchor")
                anchored = True
        except DoesNotFit as problem:
            raise DoesNotFit(f"position {position}: {problem}") from None
        if to is not None and position >= to and not journal.open_digests:
            break
    if journal.position == 0:
        raise DoesNotFit("the export has no events")
    if to is not None and journal.position < to:
        raise DoesNotFit(f"position {to} is not in the export, which ends at {journal.position}")
    if journal.open_digests:
        first = journal.position - len(journal.open_digests) + 1
        raise DoesNotFit(
            f"position {journal.position}: the export ends inside a segment; no journal hash covers"
            f" positions {first} to {journal.position}"
        )
    if not anchored:
        raise DoesNotFit(f"position {anchor[0]}: no segment ends at the anchor, or it was cut off")
    return journal, journal.totals()


def amount_text(amount):
    whole, part = divmod(abs(amount), 10_000)
    return f"{'-' if amount < 0 else ''}{whole}.{part:04d}"


def main():
    sys.stdout.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(description="Verifies an export of the journal.")
    parser.add_argument("export", help='the file, or "-" for standard input')
    parser.add_argument("--to", type=int, metavar="POSITION", help="up to the segment that has it")
    parser.add_argument("--anchor", nargs=2, metavar=("POSITION", "HASH"), help="known from before")
    arguments = parser.parse_args()
    anchor = None
    if arguments.anchor is not None:
        try:
            anchor = int(arguments.anchor[0]), bytes.fromhex(arguments.anchor[1])
        except ValueError:
            parser.error("--anchor takes a position and a hash in hex")
    aside = SetAside()
    try:
        from_file = arguments.export != "-"
        with open(arguments.export if from_file else 0, encoding="utf-8", errors="replace") as lines:
            journal, sums = verify(lines, arguments.to, anchor, aside)
    except OSError as problem:
        parser.error(str(problem))
    except DoesNotFit as problem:
        print(f"DOES NOT FIT: {problem}")
        print(aside.told(), end="")
        return 1
    print(aside.told(), end="")
    print(f"Everything fits: {journal.position} events in {journal.segments} segments,")
    print(f"{len(journal.wallets)} wallets, no gap, no balance below zero, money conserved.")
    for currency, (inside, outside) in sorted(sums.items()):
        print(f"{currency}: {amount_text(inside)} in wallets, {amount_text(outside)} outside")
    print(f"Keep as the next anchor: {journal.position} {journal.journal_hash.hex()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
