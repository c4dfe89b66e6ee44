"""The engine behind an address: the same protocol, whatever the server does."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator

import pytest
from fake_server import (
    FakeServer,
    breaks_off,
    chooses,
    event,
    goes_on,
    hangs_up,
    listing,
    raw,
    refuse,
    reply,
    says,
    serving,
    token,
    waits,
)

from assistant.engine.endpoint import Endpoint, Refused
from assistant.engine.engine import Constraint, Delta, GenerateOptions, Message, NoProbabilities, Result
from assistant.engine.remote import RemoteEngine
from assistant.engine.server_answer import Unfit
from assistant.engine.servers import Server, estimate
from models.errors import Cancelled, DoesNotFit, ModelError, NetworkError, UsageError, UserError

QUESTION = [Message("system", "Be brief."), Message("user", "Why is the sky blue?")]
GREEDY = GenerateOptions(temperature=0, max_tokens=32)
PERSON = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}}
PERSON |= {"required": ["name", "age"], "additionalProperties": False}


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serving() as fake:
        yield fake


def engine_of(server: FakeServer, *, model: str | None = None, context_length: int | None = None) -> RemoteEngine:
    return RemoteEngine(Server(Endpoint(server.url, timeout=5, pause=0.01), model, context_length))


def answer(engine: RemoteEngine, options: GenerateOptions = GREEDY) -> Result:
    *_, result = engine.generate(QUESTION, options)
    assert isinstance(result, Result)
    return result


def held_to(kind: str, text: object) -> GenerateOptions:
    constraint = Constraint(kind, text if isinstance(text, str) else json.dumps(text))  # type: ignore[arg-type]
    return GenerateOptions(temperature=0, constraint=constraint)


# Answers


def test_a_stream_becomes_deltas_and_a_result(server: FakeServer) -> None:
    usage = {"prompt_tokens": 12, "completion_tokens": 3}
    server.chat(says("Scatter", "ing, при", "вет", usage=usage, reasoning=["hm", "…"]))
    events = list(engine_of(server).generate(QUESTION, GREEDY))
    assert [(e.text, e.reasoning) for e in events if isinstance(e, Delta)] == [
        ("hm", True),
        ("…", True),
        ("Scatter", False),
        ("ing, при", False),
        ("вет", False),
    ]
    result = events[-1]
    assert isinstance(result, Result)
    assert (result.text, result.reasoning, result.finish_reason) == ("Scattering, привет", "hm…", "stop")
    assert (result.prompt_tokens, result.completion_tokens) == (12, 3)


def test_the_request_has_what_was_asked_for(server: FakeServer) -> None:
    server.chat(says("x"))
    options = GenerateOptions(temperature=0.3, top_p=0.9, seed=7, max_tokens=9, stop=("END",), top_k=5, beams=1)
    answer(engine_of(server, model="model-b"), options)
    (body,) = server.asked()
    assert body["model"] == "model-b"
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Why is the sky blue?"},
    ]
    assert (body["temperature"], body["top_p"], body["seed"], body["max_tokens"]) == (0.3, 0.9, 7, 9)
    assert body["stop"] == ["END"]
    assert "top_k" not in body  # not OpenAI's: strict servers refuse it


@pytest.mark.parametrize(("owner", "penalty"), [("llamacpp", "repeat_penalty"), ("vllm", "repetition_penalty")])
def test_servers_that_take_more_sampling_get_it(owner: str, penalty: str) -> None:
    with serving(listing(owner, max_model_len=2048)) as server:
        server.scripts["/props"] = [reply({"default_generation_settings": {"n_ctx": 2048}})]
        server.chat(says("x"))
        answer(engine_of(server), GenerateOptions(top_k=5, min_p=0.1, repeat_penalty=1.1, think="off"))
        (body,) = server.asked()
        assert (body["top_k"], body["min_p"], body[penalty]) == (5, 0.1, 1.1)
        assert body["chat_template_kwargs"] == {"enable_thinking": False}


def test_thoughts_in_the_answer_are_told_apart(server: FakeServer) -> None:
    server.chat(says("<thi", "nk>Let me see.</th", "ink>\n\nBecause."))
    result = answer(engine_of(server))
    assert (result.text, result.reasoning.strip()) == ("Because.", "Let me see.")


def test_stop_strings_end_an_answer_of_a_server_that_does_not_know_them(server: FakeServer) -> None:
    server.chat(goes_on("EN D", 0.0))
    result = answer(engine_of(server), GenerateOptions(stop=("3 EN",)))
    assert result.text == "1 EN D2 EN D"
    assert server.hung_up.wait(10)


def test_an_answer_that_goes_round_in_circles_is_ended(server: FakeServer) -> None:
    server.chat(raw(b"".join(event({"content": "ha "}) for _ in range(1000)) + event({}, "length")))
    result = answer(engine_of(server))
    assert result.finish_reason == "repetition"
    assert len(result.text) < 900


@pytest.mark.parametrize(("said", "finish"), [("stop", "stop"), ("length", "length"), ("eos", "stop")])
def test_reasons_to_end(server: FakeServer, said: str, finish: str) -> None:
    server.chat(says("x", finish=said))
    assert answer(engine_of(server)).finish_reason == finish


def test_a_withheld_answer_is_an_error(server: FakeServer) -> None:
    server.chat(says("", finish="content_filter"))
    with pytest.raises(Unfit, match="content_filter"):
        answer(engine_of(server))


def test_a_server_that_does_not_stream(server: FakeServer) -> None:
    message = {"role": "assistant", "content": "Whole."}
    server.chat(reply({"choices": [{"message": message, "finish_reason": "stop"}], "usage": {"prompt_tokens": 5}}))
    result = answer(engine_of(server))
    assert (result.text, result.prompt_tokens) == ("Whole.", 5)


@pytest.mark.parametrize(
    "data",
    [
        b"data: {}\n\ndata: [DONE]\n\n",
        b'data: {"choices": null}\r\n\r\ndata: {"choices": [null, 3]}\r\n\r\ndata: [DONE]\r\n\r\n',
        b'data: {"choices": [{"delta": {"content": 7}, "finish_reason": 1}], "usage": []}\n\ndata: [DONE]',
    ],
)
def test_strange_events_are_no_answer_but_no_crash(server: FakeServer, data: bytes) -> None:
    server.chat(raw(data))
    assert answer(engine_of(server)).text == ""


# Fields that a server does not take


def test_optional_fields_are_left_out_once_a_server_complains(server: FakeServer) -> None:
    server.chat(
        refuse(400, "Unsupported parameter: 'stream_options'"),
        refuse(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        says("fine"),
    )
    engine = engine_of(server)
    assert answer(engine).text == "fine"
    assert answer(engine).text == "fine"
    bodies = server.asked()
    assert len(bodies) == 4
    assert all("stream_options" not in body for body in bodies[1:])
    assert [body.get("max_completion_tokens") for body in bodies] == [None, None, 32, 32]


def test_what_is_refused_without_a_field_is_told(server: FakeServer) -> None:
    server.chat(refuse(400, "roles must alternate"))
    with pytest.raises(Refused, match="roles must alternate"):
        answer(engine_of(server))
    assert len(server.asked()) == 1


def test_a_stream_that_keeps_what_went_wrong_is_asked_without_streaming(server: FakeServer) -> None:
    server.chat(raw(b""), refuse(400, "maximum context length is 5 tokens"))
    with pytest.raises(DoesNotFit, match="5 tokens"):
        answer(engine_of(server))
    assert [body["stream"] for body in server.asked()] == [True, False]


# Constraints


def test_a_schema_is_sent_and_the_answer_comes_as_this_engine_writes_it(server: FakeServer) -> None:
    server.chat(says('```json\n{"age": 31,\n', ' "name": "Анна"}\n```'))
    result = answer(engine_of(server), held_to("json_schema", PERSON))
    assert result.text == '{"name":"Анна","age":31}'
    assert server.asked()[0]["response_format"]["json_schema"]["schema"] == PERSON


def test_a_wrong_answer_is_asked_for_once_more_with_what_is_wrong(server: FakeServer) -> None:
    server.chat(says('{"name": "Anna"}'), says('{"name": "Anna", "age": 31}'))
    assert answer(engine_of(server), held_to("json_schema", PERSON)).text == '{"name":"Anna","age":31}'
    again = server.asked()[1]["messages"]
    assert again[-2] == {"role": "assistant", "content": '{"name": "Anna"}'}
    assert "not in the form" in again[-1]["content"]


def test_two_wrong_answers_are_an_error(server: FakeServer) -> None:
    server.chat(says("Anna is 31."))
    with pytest.raises(Unfit, match="does not keep to the form"):
        answer(engine_of(server), held_to("json_schema", PERSON))
    assert len(server.asked()) == 2


def test_a_cut_answer_says_so(server: FakeServer) -> None:
    server.chat(says('{"name": "An', finish="length"))
    with pytest.raises(Unfit, match="cut off"):
        answer(engine_of(server), held_to("json_schema", PERSON))


def test_a_bad_constraint_is_not_sent(server: FakeServer) -> None:
    server.chat(says("x"))
    with pytest.raises(UsageError):
        answer(engine_of(server), held_to("regex", "("))
    assert not server.asked()


@pytest.mark.parametrize(
    ("owner", "kind", "text", "field", "value"),
    [
        ("vllm", "choices", ["a b", "c"], "structured_outputs", {"choice": ["a b", "c"]}),
        ("vllm", "regex", "c|d", "structured_outputs", {"regex": "c|d"}),
        ("vllm", "lark", 'start: "c"', "structured_outputs", {"grammar": 'start: "c"'}),
        ("llamacpp", "choices", ['a"', "c"], "grammar", 'root ::= "a\\U00000022" | "c"'),
        ("me", "choices", ["c"], "grammar", 'root ::= "c"'),
    ],
)
def test_servers_get_constraints_in_their_own_words(
    owner: str, kind: str, text: object, field: str, value: object
) -> None:
    with serving(listing(owner, max_model_len=4096)) as server:
        server.chat(says(" c\n" if kind != "lark" else "c"))
        assert answer(engine_of(server), held_to(kind, text)).text == "c"
        assert server.asked()[0][field] == value


@pytest.mark.parametrize(("kind", "text"), [("choices", ["да", "нет"]), ("regex", "да|нет")])
def test_elsewhere_a_text_is_asked_for_as_a_field(server: FakeServer, kind: str, text: object) -> None:
    server.chat(says('{"answer": "да"}'))
    assert answer(engine_of(server), held_to(kind, text)).text == "да"
    schema = server.asked()[0]["response_format"]["json_schema"]["schema"]
    assert schema["required"] == ["answer"]


def test_a_server_without_constraints_is_told_in_the_prompt(server: FakeServer) -> None:
    server.chat(refuse(400, "response_format is not supported here"), says("c"))
    assert answer(engine_of(server), held_to("choices", ["c", "d"])).text == "c"
    last = server.asked()[-1]
    assert "response_format" not in last
    assert "exactly one of: c, d" in last["messages"][-1]["content"]


# Choices


def scores(server: FakeServer, *choices: str) -> dict[str, float]:
    return dict(zip(choices, engine_of(server).score(QUESTION, choices), strict=True))


def test_choices_are_scored_by_the_tokens_where_they_part(server: FakeServer) -> None:
    opening = token('{"answer": "', 0.0)
    server.chat(chooses(opening, token("pos", -0.2, neg=-2.0, neu=-3.0, The=-1.0), token('itive"}', -0.1)))
    assert scores(server, "positive", "negative", "neutral") == pytest.approx(
        {"positive": -0.2, "negative": -2.0, "neutral": -3.0}
    )
    assert len(server.asked()) == 1
    body = server.asked()[0]
    assert (body["logprobs"], body["stream"], body["temperature"]) == (True, False, 0.0)


def test_choices_that_begin_alike_are_asked_about_apart() -> None:
    with serving(listing("llamacpp", meta={"n_ctx": 4096})) as server:
        server.chat(
            chooses(token("politics", -0.5, sports=-1.0)),
            chooses(token("sports", -1.0, politics=-0.5), token(" news", -0.3, **{" gossip": -1.5})),
        )
        found = scores(server, "politics", "sports news", "sports gossip")
        assert found == pytest.approx({"politics": -0.5, "sports news": -1.3, "sports gossip": -2.5})
        assert server.asked()[1]["grammar"] == 'root ::= "sports\\U00000020news" | "sports\\U00000020gossip"'


def test_a_token_that_begins_two_choices_stands_for_the_one_that_is_written_with_it() -> None:
    with serving(listing("vllm", max_model_len=4096)) as server:
        server.chat(
            chooses(token("да", -0.5, нет=-2.0, не=-3.0)),
            chooses(token("нет", -2.0, да=-0.5, не=-3.0)),
        )
        found = scores(server, "да", "нет", "не знаю")
        assert found == pytest.approx({"да": -0.5, "нет": -2.0, "не знаю": -3.0})


def test_the_end_counts_where_one_choice_begins_another_and_it_is_told() -> None:
    with serving(listing("llamacpp", meta={"n_ctx": 4096})) as server:
        end = token("", -0.4, **{" please": -1.7})
        server.chat(chooses(token("yes", -0.6, no=-1.2, **{" yes": -6.0}), end))
        found = scores(server, "yes", "yes please", "no")
        assert found == pytest.approx({"yes": -1.0, "yes please": -2.3, "no": -1.2})


def test_a_choice_that_begins_another_ends_where_the_other_goes_on() -> None:
    with serving(listing("vllm", max_model_len=4096)) as server:
        server.chat(chooses(token("yes", -0.1, no=-2.5), token(" please", -0.5)))
        found = scores(server, "yes", "yes please", "no")
        assert found["yes"] == pytest.approx(-0.1 + math.log(1 - math.exp(-0.5)))
        assert found["yes please"] == pytest.approx(-0.6)


def test_what_is_not_among_the_likeliest_is_no_more_probable_than_these() -> None:
    with serving(listing("vllm", max_model_len=4096)) as server:
        server.chat(chooses(token("yes", -0.01, maybe=-9.0)))
        assert scores(server, "yes", "no")["no"] == pytest.approx(-9.0)
        assert len(server.asked()) == 1  # a thousandth at most: not worth a request


def test_letters_that_tokens_cut_are_compared_by_their_bytes() -> None:
    half = "д".encode()[:1]
    place = {"token": "�", "bytes": list(half), "logprob": -0.3}
    place["top_logprobs"] = [dict(place), {"token": "нет", "bytes": list("нет".encode()), "logprob": -1.4}]
    with serving(listing("vllm", max_model_len=4096)) as server:
        server.chat(chooses(place, token("а", -0.0), text="да"))
        assert scores(server, "да", "нет") == pytest.approx({"да": -0.3, "нет": -1.4})


def test_without_probabilities_the_caller_learns_of_it_and_of_the_choice(server: FakeServer) -> None:
    server.chat(chooses(text='{"answer": "negative"}'))
    with pytest.raises(NoProbabilities) as unknown:
        scores(server, "positive", "negative")
    assert unknown.value.likeliest == "negative"
    assert not isinstance(unknown.value, ModelError)  # the model is good for other questions


def test_a_server_that_refuses_probabilities_is_asked_without(server: FakeServer) -> None:
    server.chat(refuse(400, "logprobs is not supported for this model"), chooses(text='{"answer": "negative"}'))
    with pytest.raises(NoProbabilities):
        scores(server, "positive", "negative")
    assert "logprobs" not in server.asked()[-1]


def test_choices_must_be_good(server: FakeServer) -> None:
    with pytest.raises(UsageError, match="twice"):
        scores(server, "a", "a")


# Tokens and windows


def test_llama_server_counts_and_says_its_window() -> None:
    with serving(listing("llamacpp", meta={"n_ctx": 8192, "n_ctx_train": 32768, "n_params": 5, "size": 6})) as server:
        server.scripts["/v1/chat/completions/input_tokens"] = [reply({"input_tokens": 77})]
        engine = engine_of(server)
        info = engine.load()
        assert (info.context_length, info.trained_context_length, info.parameters, info.size) == (8192, 32768, 5, 6)
        assert info.description == "model-a"
        assert engine.count_tokens(QUESTION) == 77


def test_an_older_llama_server_counts_by_its_template() -> None:
    with serving(listing("llamacpp")) as server:
        server.scripts["/props"] = [reply({"default_generation_settings": {"n_ctx": 2048}})]
        server.scripts["/apply-template"] = [reply({"prompt": "<user>x"})]
        server.scripts["/tokenize"] = [reply({"tokens": [1, 2, 3]})]
        engine = engine_of(server)
        assert engine.load().context_length == 2048
        assert [engine.count_tokens(QUESTION) for _ in range(2)] == [3, 3]
        assert [path for _, path, _, _ in server.requests].count("/v1/chat/completions/input_tokens") == 1


def test_vllm_counts_and_says_its_window() -> None:
    with serving(listing("vllm", max_model_len=16384)) as server:
        server.scripts["/tokenize"] = [reply({"count": 21, "tokens": []})]
        engine = engine_of(server, context_length=9999)
        assert engine.load().context_length == 9999
        assert engine.count_tokens(QUESTION) == 21


def test_elsewhere_tokens_are_estimated_and_the_window_is_what_the_user_says(server: FakeServer) -> None:
    assert engine_of(server).load().context_length == 4096
    engine = engine_of(server, context_length=100)
    assert engine.load().context_length == 100
    assert engine.count_tokens(QUESTION) == estimate(QUESTION)
    server.chat(says("x"))
    with pytest.raises(DoesNotFit, match="about"):
        list(engine.generate([Message("user", "word " * 100)], GREEDY))
    assert not server.asked()


def test_ollama_would_cut_a_long_prompt_so_it_is_not_sent() -> None:
    with serving(listing("library")) as server:
        server.scripts["/api/ps"] = [reply({"models": [{"name": "model-a", "context_length": 512}]})]
        server.chat(says("x"))
        engine = engine_of(server)
        assert engine.load().context_length == 512
        with pytest.raises(DoesNotFit):
            list(engine.generate([Message("user", "word " * 1000)], GREEDY))
        assert answer(engine).text == "x"


def test_a_server_without_a_list_of_models_needs_a_name(server: FakeServer) -> None:
    server.scripts["/v1/models"] = [refuse(404, "not found")]
    with pytest.raises(UsageError, match="which models"):
        engine_of(server).load()
    assert engine_of(server, model="m").load().description == "m"


# Cancelling


def cancel_once_asked(server: FakeServer, engine: RemoteEngine) -> None:
    def work() -> None:
        while not server.asked():
            time.sleep(0.01)
        time.sleep(0.05)
        engine.cancel()

    threading.Thread(target=work, daemon=True).start()


@pytest.mark.parametrize("step", [goes_on(), waits(20)], ids=["in the answer", "while the prompt is read"])
def test_cancelling_hangs_up(server: FakeServer, step: object) -> None:
    server.chat(step)  # type: ignore[arg-type]
    engine = engine_of(server)
    cancel_once_asked(server, engine)
    assert answer(engine).finish_reason == "cancelled"
    assert server.hung_up.wait(10)
    server.chat(says("again"))
    assert answer(engine).text == "again"


def test_a_cancel_before_the_first_event_counts(server: FakeServer) -> None:
    server.chat(goes_on())
    engine = engine_of(server)
    events = engine.generate(QUESTION, GREEDY)
    engine.cancel()
    (result,) = events
    assert isinstance(result, Result)
    assert result.finish_reason == "cancelled"


def test_leaving_early_hangs_up(server: FakeServer) -> None:
    server.chat(goes_on())
    events = engine_of(server).generate(QUESTION, GREEDY)
    assert isinstance(next(events), Delta)
    events.close()  # type: ignore[attr-defined]
    assert server.hung_up.wait(10)


def test_scoring_can_be_cancelled(server: FakeServer) -> None:
    server.chat(waits(20))
    engine = engine_of(server)
    cancel_once_asked(server, engine)
    with pytest.raises(Cancelled):
        engine.score(QUESTION, ["a", "b"])


def test_engines_in_several_threads_share_a_server(server: FakeServer) -> None:
    together = threading.Barrier(4, timeout=10)

    def step(handler: object) -> None:
        together.wait()  # it breaks unless all four are here at once
        says(handler.body["messages"][0]["content"])(handler)  # type: ignore[attr-defined, arg-type]

    server.chat(step)
    shared = engine_of(server).server
    texts: dict[int, str] = {}

    def ask(number: int) -> None:
        *_, result = RemoteEngine(shared).generate([Message("user", f"n{number}")], GREEDY)
        assert isinstance(result, Result)
        texts[number] = result.text

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert texts == {n: f"n{n}" for n in range(4)}


# What goes wrong


@pytest.mark.parametrize(
    "step",
    [
        refuse(429, "slow down", Retry_After="0"),
        refuse(503, "Loading model"),
        refuse(500, "oops"),
        hangs_up(),
        breaks_off(),
    ],
    ids=["429", "503", "500", "hangs up", "breaks off"],
)
def test_what_may_pass_is_tried_again(server: FakeServer, step: object) -> None:
    server.chat(step, says("fine"))  # type: ignore[arg-type]
    assert answer(engine_of(server)).text == "fine"


def test_tries_are_bounded_and_the_server_is_quoted(server: FakeServer) -> None:
    server.chat(refuse(503, "no slot\x1b[31m is\nfree"))
    with pytest.raises(NetworkError, match=r"no slot \[31m is free"):
        answer(engine_of(server))
    assert len(server.asked()) == 6


def test_a_long_wait_is_not_waited(server: FakeServer) -> None:
    server.chat(refuse(429, "come back tomorrow", Retry_After="86400"))
    with pytest.raises(NetworkError, match="tomorrow"):
        answer(engine_of(server))
    assert len(server.asked()) == 1


def test_an_answer_that_breaks_off_is_an_error_not_a_short_answer(server: FakeServer) -> None:
    server.chat(breaks_off("Half of"), says("unused"))
    with pytest.raises(NetworkError, match="broke off"):
        answer(engine_of(server))


def test_an_error_in_the_middle_of_a_stream(server: FakeServer) -> None:
    server.chat(raw(event({"content": "x"}) + b'data: {"error": {"message": "out of memory", "code": 500}}\n\n'))
    with pytest.raises(NetworkError, match="out of memory"):
        answer(engine_of(server))


@pytest.mark.parametrize(
    ("step", "kind", "words"),
    [
        (refuse(401, "bad key"), ModelError, "bad key"),
        (refuse(404, "model not found"), ModelError, "model not found"),
        (refuse(413, "big"), DoesNotFit, "big"),
        (refuse(400, "the request exceeds the available context size"), DoesNotFit, "context size"),
        (refuse(500, "prompt is too long"), DoesNotFit, "too long"),
        (raw(b"<html>hello</html>", kind="text/html"), NetworkError, "does not speak"),
        (raw(b"data: {broken\n\n"), NetworkError, "does not speak"),
        (raw(b"[]", kind="application/json"), NetworkError, "does not speak"),
        (raw(b"[" * 100_000, kind="application/json"), NetworkError, "does not speak"),
        (raw(b"data: " + b"x" * 17_000_000), NetworkError, "without end"),
        (raw(b"x" * 17_000_000, kind="application/json"), NetworkError, "more than"),
        (raw(b"x" * 17_000_000, 400), Refused, "400"),
    ],
)
def test_errors_have_the_server_s_words(server: FakeServer, step: object, kind: type[UserError], words: str) -> None:
    server.chat(step)  # type: ignore[arg-type]
    with pytest.raises(kind, match=words):
        answer(engine_of(server))
    assert len(server.asked()) == 1


def test_a_silent_server_is_given_up(server: FakeServer) -> None:
    server.chat(waits(20))
    engine = RemoteEngine(Server(Endpoint(server.url, timeout=0.3, pause=0.01)))
    with pytest.raises(NetworkError, match="silent"):
        answer(engine)


def test_nobody_there() -> None:
    with serving() as gone:
        url = gone.url
    with pytest.raises(NetworkError, match="cannot be reached"):
        RemoteEngine(Server(Endpoint(url, pause=0.01))).load()


# Addresses and keys


@pytest.mark.parametrize("end", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
def test_addresses_may_be_written_in_several_ways(server: FakeServer, end: str) -> None:
    assert RemoteEngine(server.url + end).load().description == "model-a"


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://x/v1", "http://", "http://[::1", "http://a/v1?k=1", "x y"]
)
def test_what_is_no_address(url: str) -> None:
    with pytest.raises(UsageError):
        Endpoint(url)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError) as refused:
        Endpoint("http://me:secret@localhost/v1")
    assert "secret" not in f"{refused.value.message} {refused.value.hint}"


def test_offline_no_other_machine_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in ("https://api.example.com/v1", "http://10.0.0.5:8000", "http://localhost.example.com"):
        with pytest.raises(NetworkError, match="ASSISTANT_OFFLINE"):
            Endpoint(url)
    for url in ("http://localhost:1/v1", "http://127.0.0.9:1", "http://[::1]:1"):
        Endpoint(url)
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    Endpoint("https://api.example.com/v1")


def test_the_key_is_sent_and_never_shown(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_ENDPOINT_KEY", "sk-very-secret\n")
    server.chat(refuse(401, "wrong key: sk-very-secret"))
    with pytest.raises(ModelError) as refused:
        answer(engine_of(server))
    assert server.requests[0][2]["Authorization"] == "Bearer sk-very-secret"
    assert "very-secret" not in f"{refused.value.message} {refused.value.hint} {refused.value.__cause__!r}"


def test_redirects_are_told_not_followed(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSISTANT_ENDPOINT_KEY", "sk-very-secret")
    with serving() as other:
        server.chat(reply({}, 307, Location=f"{other.url}/v1/chat/completions"))
        with pytest.raises(NetworkError, match="redirects"):
            answer(engine_of(server))
        assert not other.requests


def test_a_key_in_the_clear_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSISTANT_OFFLINE")
    assert not Endpoint("http://example.com").exposes_key
    monkeypatch.setenv("ASSISTANT_ENDPOINT_KEY", "k")
    assert Endpoint("http://example.com").exposes_key
    assert not Endpoint("https://example.com").exposes_key
    assert not Endpoint("http://localhost").exposes_key
    monkeypatch.setenv("ASSISTANT_ENDPOINT_KEY", "ключ")
    with pytest.raises(UsageError):
        Endpoint("http://localhost")
