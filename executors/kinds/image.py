"""Steps of kind `image`: have an image model draw."""

from __future__ import annotations

from base64 import b64encode

from executors.calls import call, model_name
from executors.context import StepRun
from executors.failures import StepFailure
from unified_api.types import Image, ImageRequest, ImageResponse, Json
from workflows.model import ImageStep

__all__ = ["run"]


async def run(step: ImageStep, run: StepRun) -> Json:
    """`{type: "image", media_type, url, placeholder}`; the url is a data URL where the provider gave bytes.

    Raises:
        StepFailure: `empty_answer` when no image came, `empty_prompt`, or as `executors.calls.call`.
    """
    prompt = run.text(step.prompt, what="prompt")
    if not prompt.strip():
        raise StepFailure("empty_prompt", "the prompt is empty once its templates are filled in; say what to draw")
    request = ImageRequest(model=model_name(step.model), prompt=prompt, size=step.size)
    response = await call(run, request, run.policy(step.model), send=run.context.gateway.image)
    return _output(response)


def _output(response: ImageResponse) -> Json:
    for image in response.images:
        url = _url(image)
        if url:
            return {
                "type": "image",
                "media_type": image.media_type,
                "url": url,
                "placeholder": response.quality == "placeholder",
            }
    raise StepFailure("empty_answer", f"{response.model} answered without an image", retryable=True)


def _url(image: Image) -> str | None:
    if image.data:
        return f"data:{image.media_type};base64,{b64encode(image.data).decode()}"
    return image.url
