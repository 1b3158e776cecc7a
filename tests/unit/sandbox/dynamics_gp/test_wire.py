import pytest

from sandbox.dynamics_gp import wire
from sandbox.dynamics_gp.wire import Conversation, Message, Messages, ProtocolError


def framed(kind: bytes, body: bytes) -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def test_messages_come_whole_however_they_arrive() -> None:
    stream = framed(b"Q", b"SELECT 1\0") + framed(b"X", b"")
    messages = Messages()

    found = [message for byte in stream for message, _ in messages.feed(bytes([byte]))]

    assert found == [Message(b"Q", b"SELECT 1\0"), Message(b"X", b"")]


def test_raw_bytes_are_kept() -> None:
    stream = framed(b"Q", b"COMMIT\0") + framed(b"S", b"")

    assert b"".join(raw for _, raw in Messages().feed(stream)) == stream


def test_impossible_length_is_refused() -> None:
    with pytest.raises(ProtocolError):
        list(Messages().feed(b"Q\0\0\0\1abc"))


@pytest.mark.parametrize("text", [b"COMMIT\0", b"commit\0", b" COMMIT ;\0"])
def test_commit_is_recognised(text: bytes) -> None:
    assert wire.asks_to_commit(Message(b"Q", text))


@pytest.mark.parametrize("text", [b"SELECT 'COMMIT'\0", b"ROLLBACK\0", b"COMMIT PREPARED 'x'\0"])
def test_other_statements_are_no_commit(text: bytes) -> None:
    assert not wire.asks_to_commit(Message(b"Q", text))


def test_server_word_of_a_commit() -> None:
    assert wire.says_committed(Message(b"C", b"COMMIT\0"))
    assert not wire.says_committed(Message(b"C", b"ROLLBACK\0"))


def test_statement_prepared_earlier_counts_when_it_is_bound() -> None:
    conversation = Conversation()
    conversation.said(Message(b"P", b"s1\0SELECT taSopHdrIvcInsert($1)\0\0\0"))
    before = conversation.has_run("taSopHdrIvcInsert")
    conversation.said(Message(b"B", b"\0s1\0\0\0"))

    assert (before, conversation.has_run("taSopHdrIvcInsert")) == (False, True)


def test_a_new_transaction_has_run_nothing() -> None:
    conversation = Conversation()
    conversation.said(Message(b"Q", b"SELECT taSopHdrIvcInsert()\0"))

    conversation.transaction_ended()

    assert not conversation.has_run("taSopHdrIvcInsert")
    assert conversation.has_run("")
