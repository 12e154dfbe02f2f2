"""The Azure Functions of p2c: which there are, and what starts each.

For each template a timer, a function on its queue and one on its poison queue; besides, HTTP
functions. Nothing is read or built here, so that the app is indexed even when its settings are
broken; `p2c.functions` has what the functions do.
"""

import azure.functions as func

from p2c.bootstrap import poison_queue_name, queue_name
from p2c.functions import http, queues, timers
from p2c.functions.current import current_app, invocation
from p2c.functions.logs import quiet_libraries
from p2c.settings import STORAGE, schedule_setting
from p2c.templates import shipped_names

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
quiet_libraries()


def _register(template: str) -> None:
    """Register the functions of a template."""
    name = template.replace("-", "_")

    @app.function_name(f"enumerate_{name}")
    @app.timer_trigger(
        arg_name="timer",
        schedule=f"%{schedule_setting(template)}%",
        use_monitor=True,
        run_on_startup=False,
    )
    def enumerate_changes(timer: func.TimerRequest, context: func.Context) -> None:  # noqa: ARG001  the worker passes it
        with invocation(context):
            timers.enumerate_on_timer(current_app(), template)

    @app.function_name(f"sync_{name}")
    @app.queue_trigger(arg_name="message", queue_name=queue_name(template), connection=STORAGE)
    def sync(message: func.QueueMessage, context: func.Context) -> None:
        with invocation(context):
            queues.handle(current_app, template, message.get_body().decode())

    @app.function_name(f"settle_{name}")
    @app.queue_trigger(
        arg_name="message", queue_name=poison_queue_name(template), connection=STORAGE
    )
    def settle(message: func.QueueMessage, context: func.Context) -> None:
        with invocation(context):
            queues.settle(current_app, template, message.get_body().decode())


for _template in shipped_names():
    _register(_template)


@app.function_name("resync")
@app.route(route="resync/{template}", methods=["POST"], trigger_arg_name="request")
def resync(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Queue a request to enumerate some or all rows of a template."""
    with invocation(context):
        return http.post_resync(current_app, request)


@app.function_name("plan")
@app.route(route="plan/{template}", methods=["GET"], trigger_arg_name="request")
def plan(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Show what a run of a template would write."""
    with invocation(context):
        return http.get_plan(current_app, request)


@app.function_name("executions")
@app.route(route="executions", methods=["GET"], trigger_arg_name="request")
def executions(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """List the newest executions."""
    with invocation(context):
        return http.get_executions(current_app, request)


@app.function_name("execution")
@app.route(route="executions/{id}", methods=["GET"], trigger_arg_name="request")
def execution(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Show one execution."""
    with invocation(context):
        return http.get_execution(current_app, request)


@app.function_name("row")
@app.route(route="rows/{template}/{row}", methods=["GET"], trigger_arg_name="request")
def row(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Explain why a row is where it is."""
    with invocation(context):
        return http.get_row(current_app, request)


@app.function_name("rejected")
@app.route(route="rejected", methods=["GET"], trigger_arg_name="request")
def rejected(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """List rejected rows."""
    with invocation(context):
        return http.get_rejected(current_app, request)


@app.function_name("retry")
@app.route(route="rejected/retry", methods=["POST"], trigger_arg_name="request")
def retry(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    """Queue rejected rows again."""
    with invocation(context):
        return http.post_retry(current_app, request)


@app.function_name("health")
@app.route(
    route="health", methods=["GET"], trigger_arg_name="request", auth_level=func.AuthLevel.ANONYMOUS
)
def health(request: func.HttpRequest, context: func.Context) -> func.HttpResponse:  # noqa: ARG001  the worker passes it
    """Say whether p2c can work."""
    with invocation(context):
        return http.get_health(current_app)
