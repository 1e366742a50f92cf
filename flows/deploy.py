"""`futing deploy`: serve the nightly flow on a cron, from this machine, until stopped.

In: what to hear, where to, and when. Out: a deployment on the Prefect server of PREFECT_API_URL, and a process that executes it.
The surprising choice: what died is looked for first. A process killed with -9 leaves its flow run Running for ever, and with it
the only slot of the deployment; if nobody holds the output folder, such runs are marked Crashed and the night is started again.

Collisions: one run at a time; a run that falls due while another is at work waits for it (ENQUEUE), because the waiting one hears
what arrived meanwhile. The entrypoint is a module path: a file path would import our code a second time, with a second set of
open nights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId, FlowRunFilter, FlowRunFilterState, FlowRunFilterStateType
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy, StateType
from prefect.exceptions import ObjectNotFound
from prefect.schedules import Cron
from prefect.settings import PREFECT_API_URL
from prefect.states import Crashed
from prefect.types.entrypoint import EntrypointType

from flows.lock import hold
from flows.nightly import nightly
from flows.settings import load_settings
from models.errors import ConfigError, FutingError


def bury_the_dead(client: SyncPrefectClient, name: str, out: Path) -> int:
    """Mark flow runs Crashed that a killed process left Running or Pending; how many there were. None while `out` is held."""
    try:
        with hold(out, "deploy"):
            pass
    except FutingError:
        return 0
    try:
        deployment = client.read_deployment_by_name(f"nightly/{name}")
    except ObjectNotFound:
        return 0
    left = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id])),
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.RUNNING, StateType.PENDING]))),
    )
    for run in left:
        client.set_flow_run_state(run.id, Crashed(message="the process that served it is gone; its calls are safe in the journal"), force=True)
    return len(left)


def _absolute(address: str) -> str:
    """A path as it is found from any folder; a URL as it is."""
    return address if "://" in address else str(Path(address).resolve())


def command(
    input: Annotated[str, typer.Argument(help="A folder, file or fsspec URL of recordings.")],  # noqa: A002
    out: Annotated[Path, typer.Option("--out", help="Folder of the tables; made if it is not there.")] = Path("nights"),
    cron: Annotated[str, typer.Option(help="When, as a cron line in the configured time zone.")] = "0 22 * * *",
    name: Annotated[str, typer.Option(help="Name of the deployment; one a call centre.")] = "futing",
    manifest: Annotated[str | None, typer.Option(help="CSV, JSON Lines or Parquet with call_id, path, started_at, agent_id, …")] = None,
    engine: Annotated[str | None, typer.Option(help="auto, whisper, ctranslate or scripted.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Shards heard at the same time on this machine.")] = 1,
    keep_original: Annotated[bool, typer.Option("--keep-original", help="Store text as heard, numbers and names unmasked.")] = False,
    config: Annotated[Path | None, typer.Option("--config", help="futing.yaml, or the folder that holds it.")] = None,
) -> None:
    """Serve the nightly flow on a cron from this machine, until stopped.

    Example: PREFECT_API_URL=http://127.0.0.1:4200/api futing deploy /recordings --out nights --cron "0 22 * * *"
    """
    settings = load_settings(config)
    if not PREFECT_API_URL.value():
        raise ConfigError("no Prefect server: set PREFECT_API_URL, e.g. http://127.0.0.1:4200/api after `prefect server start`")
    try:
        schedule = Cron(cron, timezone=settings.time_zone)
    except ValueError as error:
        raise ConfigError(f"--cron {cron!r} is no cron line ({error}); write for example '0 22 * * *'") from error
    out.mkdir(parents=True, exist_ok=True)
    parameters: dict[str, Any] = {
        "input": _absolute(input),
        "out": str(out.resolve()),
        "manifest": _absolute(manifest) if manifest else None,
        "engine": engine,
        "device": device,
        "jobs": jobs,
        "keep_original": keep_original,
        "config": str(config.resolve()) if config else None,
    }
    with get_client(sync_client=True) as client:
        dead = bury_the_dead(client, name, out)
    deployment = nightly.to_deployment(
        name=name,
        schedule=schedule,
        parameters=parameters,
        description="Hears and reads every new recording; started again, it goes on where it stopped.",
        concurrency_limit=ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.ENQUEUE),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    typer.echo(f"serving nightly/{name}: {cron} ({settings.time_zone})" + (f"; {dead} dead run(s) closed, the night goes on" if dead else ""))
    _serve(deployment, resume=dead > 0)


def _serve(deployment: Any, *, resume: bool) -> None:
    """Register the deployment and execute its runs until the process is told to end. The schedule stays on: a missed night shows as Late."""
    import asyncio

    from prefect.runner import Runner

    async def serve() -> None:
        runner = Runner(name=deployment.name, pause_on_shutdown=False, limit=1)
        deployment_id = await runner.aadd_deployment(deployment)
        if resume:
            async with get_client() as client:
                await client.create_flow_run_from_deployment(deployment_id)
        await runner.start()

    asyncio.run(serve())
