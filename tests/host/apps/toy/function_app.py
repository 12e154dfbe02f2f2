"""An app that does what its messages say, to hold the test host to its rules."""

import logging
import os
import threading

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
_SEEN = logging.getLogger("p2c.toy")


def _note(message: func.QueueMessage, queue: str) -> str:
    text = message.get_body().decode()
    extra = {"text": text, "id": message.id, "count": message.dequeue_count, "queue": queue}
    _SEEN.info("seen", extra=extra)
    return text


@app.queue_trigger(arg_name="m", queue_name="%TOY_QUEUE%", connection="AzureWebJobsStorage")
def work(m: func.QueueMessage) -> None:
    text = _note(m, "work")
    if text == "fail":
        raise ValueError("asked to fail")
    if text == "hang":
        threading.Event().wait()
    if text == "die":
        os._exit(3)


@app.queue_trigger(arg_name="m", queue_name="%TOY_QUEUE%-poison", connection="AzureWebJobsStorage")
def poison(m: func.QueueMessage) -> None:
    if _note(m, "poison") == "fail":
        raise ValueError("asked to fail")


@app.timer_trigger(arg_name="t", schedule="%TOY_SCHEDULE%")
def tick(t: func.TimerRequest) -> None:
    _SEEN.info("tick", extra={"past_due": t.past_due})


@app.route(route="things/{name}", methods=["POST"])
def thing(req: func.HttpRequest) -> func.HttpResponse:
    if req.params.get("fail"):
        raise ValueError("asked to fail")
    return func.HttpResponse(req.get_body() + req.route_params["name"].encode(), status_code=201)


@app.route(route="open", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
def open_to_all(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(req.headers.get("x-given", ""))
