"""Routes for models: list, fit in the background, promote, roll back."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from polyscene.errors import ModelError, NotFoundError
from polyscene.fitting.model import Model, current_version, model_versions, promote, read_config
from polyscene.server.lists import ERRORS, json_bytes, service_of
from polyscene.server.service import Service
from polyscene.server.wire import ErrorModel, dumped

__all__ = ["listed", "roll_back", "router", "serve_version"]

router = APIRouter(prefix="/v1/models", responses=ERRORS, tags=["models"])


class ValidationModel(BaseModel):
    """What the fit measured of a scenario on what it held out."""

    ndcg: float | None
    """NDCG@10 of all sources together; none where nothing was held out."""
    alone: dict[str, float]
    """The same of each source by itself."""
    users: int
    """Users that something was held out of."""


class VersionModel(BaseModel):
    """A model on disk."""

    version: str
    created_at: float | None
    seconds: float | None
    """How long its fit took."""
    current: bool
    """Whether it is meant to serve."""
    serving: bool
    """Whether it serves here."""
    weights: dict[str, dict[str, float]]
    """Weights of the sources by scenario."""
    validation: dict[str, ValidationModel]
    """By scenario; on these numbers the fit chose the weights, so they are a little too good."""
    trouble: str
    """Why it cannot be read; empty where it can."""


class FitModel(BaseModel):
    """The last fit that was asked for here."""

    state: str
    started_at: float | None
    seconds: float | None
    message: str


class ModelsModel(BaseModel):
    """All models, oldest first, and the last fit."""

    models: list[VersionModel]
    fit: FitModel


class ServingModel(BaseModel):
    """Which model serves now."""

    serving: str


@router.get("", response_model=ModelsModel)
async def list_models(request: Request) -> Response:
    """All versions on disk, and how the last fit stands."""
    service = service_of(request)
    return json_bytes(dumped(await service.aside(lambda: listed(service))))


@router.post(
    "/fit",
    response_model=FitModel,
    status_code=202,
    responses={409: {"model": ErrorModel, "description": "A fit is under way."}},
)
async def fit(request: Request) -> Response:
    """Fit in the background; the new model serves as soon as it is there."""
    return json_bytes(dumped(await service_of(request).fits.start()), 202)


@router.post("/rollback", response_model=ServingModel)
async def roll_back_model(request: Request) -> Response:
    """Serve the version before the current one."""
    return _serving(await roll_back(service_of(request)))


@router.post("/{version}/promote", response_model=ServingModel)
async def promote_model(request: Request, version: str) -> Response:
    """Serve a version."""
    await serve_version(service_of(request), version)
    return _serving(version)


async def roll_back(service: Service) -> str:
    """Serve the version before the current one, which is returned.

    Raises:
        NotFoundError: When there is none.
    """
    models = service.workspace.models
    versions, current = model_versions(models), current_version(models)
    older = [version for version in versions if current is not None and version < current]
    if not older:
        raise NotFoundError("there is no older model to go back to")
    await serve_version(service, older[-1])
    return older[-1]


async def serve_version(service: Service, version: str) -> None:
    """Serve a version from now on.

    Raises:
        NotFoundError: When there is none of that name.
        ModelError: When it cannot be read; the one that serves stays.
    """
    workspace = service.workspace

    def check() -> None:
        if version not in model_versions(workspace.models):
            raise NotFoundError(f"no model {version!r}; see /v1/models")
        Model.load(workspace.models, workspace.settings, version)  # before the pointer moves
        promote(workspace.models, version)

    await service.aside(check)
    service.keeper.reconsider()
    await service.keeper.keep_up()
    if service.keeper.version != version:
        raise ModelError(service.keeper.trouble or "another model was promoted meanwhile")


def _serving(version: str) -> Response:
    return json_bytes(dumped({"serving": version}))


def listed(service: Service) -> dict[str, Any]:
    """All versions on disk, oldest first, and how the last fit stands."""
    models = service.workspace.models
    current, serving = current_version(models), service.keeper.version
    found = []
    for version in model_versions(models):
        one: dict[str, Any] = {"version": version, "created_at": None, "seconds": None}
        one |= {"weights": {}, "validation": {}, "trouble": ""}
        try:
            config = read_config(models, version)
        except ModelError as error:
            one["trouble"] = str(error)
        else:
            fusions = config.fusions.items()
            one |= {"created_at": config.created_at, "seconds": config.seconds}
            one["weights"] = {name: fusion.weights for name, fusion in fusions}
            one["validation"] = {
                name: {"ndcg": fusion.ndcg, "alone": fusion.alone, "users": fusion.users}
                for name, fusion in fusions
            }
        one |= {"current": version == current, "serving": version == serving}
        found.append(one)
    return {"models": found, "fit": service.fits.state()}
