"""The clients that are measured: floors (the same work by hand), Prompture, and its peers.

Each is made once for a scenario. What a client cannot do it does not define. Peers are imported
when they are made, and left out where they are not installed.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from bench.documents import Invoice, Item, Listing, messages, response_format

MODEL = "gpt-4o-mini"
KEY = "sk-bench"


class Client:
    key = "items"
    """The name of the list in answers to ``items``."""

    def __init__(self, base: str) -> None:
        self.base = f"{base}/v1"
        self.url = f"{self.base}/chat/completions"
        self.open()

    def open(self) -> None: ...

    async def aopen(self) -> None: ...

    def close(self) -> None: ...

    async def aclose(self) -> None: ...


def content(body: Any) -> str:
    text: str = body["choices"][0]["message"]["content"]
    return text


class _ByHand(Client):
    headers = {"Authorization": f"Bearer {KEY}"}

    def body(self, text: str, *, stream: bool = False) -> dict[str, Any]:
        model = Listing if stream else Invoice
        body = {"model": MODEL, "messages": messages(text), "response_format": self.formats[model]}
        return {**body, "stream": True} if stream else body

    def open(self) -> None:
        self.formats = {model: response_format(model) for model in (Invoice, Listing)}


class Requests(_ByHand):
    """requests.Session and Pydantic."""

    def open(self) -> None:
        import requests

        super().open()
        self.session = requests.Session()
        self.session.headers.update(self.headers)

    def call(self, text: str) -> Invoice:
        found = self.session.post(self.url, json=self.body(text), timeout=60)
        found.raise_for_status()
        return Invoice.model_validate_json(content(found.json()))

    def final(self, text: str) -> Listing:
        pieces = []
        body = self.body(text, stream=True)
        with self.session.post(self.url, json=body, timeout=60, stream=True) as response:
            for line in response.iter_lines(chunk_size=65536):
                if line.startswith(b"data: ") and line != b"data: [DONE]":
                    pieces.append(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
        return Listing.model_validate_json("".join(pieces))

    def close(self) -> None:
        self.session.close()


class _Httpx(_ByHand):
    library = "httpx"
    pools = 1

    async def aopen(self) -> None:
        library = __import__(self.library)
        limits = library.Limits(max_connections=1000, max_keepalive_connections=1000)
        self.clients = [
            library.AsyncClient(headers=self.headers, timeout=60, limits=limits)
            for _ in range(self.pools)
        ]
        self.flying = [0] * self.pools

    async def acall(self, text: str) -> Invoice:
        least = min(range(self.pools), key=self.flying.__getitem__)
        self.flying[least] += 1
        try:
            found = await self.clients[least].post(self.url, json=self.body(text))
        finally:
            self.flying[least] -= 1
        found.raise_for_status()
        return Invoice.model_validate_json(content(found.json()))

    async def afinal(self, text: str) -> Listing:
        pieces = []
        body = self.body(text, stream=True)
        async with self.clients[0].stream("POST", self.url, json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    pieces.append(json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
        return Listing.model_validate_json("".join(pieces))

    async def aclose(self) -> None:
        for client in self.clients:
            await client.aclose()


class Httpx2(_Httpx):
    """httpx2 and Pydantic."""

    library = "httpx2"


class Httpx2Sharded(Httpx2):
    """httpx2 in ten pools: the most that its async client gives."""

    pools = 10


class Prompture(Client):
    """This package; cost, hooks and validation on."""

    def open(self) -> None:
        import prompture

        self.p = prompture
        self.hooks = prompture.Hooks(
            before_request=lambda request: None, after_response=lambda request, answer: None
        )
        self.driver = prompture.OpenAIDriver(
            MODEL, api_key=KEY, base_url=self.base, hooks=self.hooks
        )

    async def aopen(self) -> None:
        self.adriver = self.p.AsyncOpenAIDriver(
            MODEL, api_key=KEY, base_url=self.base, hooks=self.hooks
        )

    def call(self, text: str) -> Invoice:
        return self.p.extract(Invoice, text, model=self.driver)

    async def acall(self, text: str) -> Invoice:
        return await self.p.aextract(Invoice, text, model=self.adriver)

    def partial(self, text: str) -> Iterator[Any]:
        for partial in self.p.extract_stream(Listing, text, model=self.driver):
            yield partial.value if partial.is_last else partial

    async def apartial(self, text: str) -> AsyncIterator[Any]:
        async for partial in self.p.aextract_stream(Listing, text, model=self.adriver):
            yield partial.value if partial.is_last else partial

    def values(self, text: str) -> Iterator[Listing]:
        """As ``partial``, with a look at the typed value of every snapshot."""
        for partial in self.p.extract_stream(Listing, text, model=self.driver):
            yield partial.value

    def items(self, text: str) -> Iterator[Item]:
        for item in self.p.extract_items(Item, text, model=self.driver):
            yield item.value

    async def aitems(self, text: str) -> AsyncIterator[Item]:
        async for item in self.p.aextract_items(Item, text, model=self.adriver):
            yield item.value

    def close(self) -> None:
        self.driver.close()

    async def aclose(self) -> None:
        await self.adriver.close()


class OpenAI(Client):
    """The openai SDK: parse, and its own partial parsing."""

    def open(self) -> None:
        import openai

        self.client = openai.OpenAI(base_url=self.base, api_key=KEY)
        self.aclient = openai.AsyncOpenAI(base_url=self.base, api_key=KEY)

    def _asked(self, text: str, model: Any) -> dict[str, Any]:
        return {"model": MODEL, "messages": messages(text), "response_format": model}

    def call(self, text: str) -> Any:
        found = self.client.chat.completions.parse(**self._asked(text, Invoice))
        return found.choices[0].message.parsed

    async def acall(self, text: str) -> Any:
        found = await self.aclient.chat.completions.parse(**self._asked(text, Invoice))
        return found.choices[0].message.parsed

    def partial(self, text: str) -> Iterator[Any]:
        with self.client.chat.completions.stream(**self._asked(text, Listing)) as stream:
            for event in stream:
                if event.type == "content.delta":
                    yield event.parsed
            yield stream.get_final_completion().choices[0].message.parsed

    def close(self) -> None:
        self.client.close()

    async def aclose(self) -> None:
        await self.aclient.close()


class Instructor(Client):
    """instructor over the openai SDK, its default mode (tools)."""

    key = "tasks"

    def open(self) -> None:
        import instructor
        import openai

        self.client = instructor.from_openai(openai.OpenAI(base_url=self.base, api_key=KEY))
        inner = openai.AsyncOpenAI(base_url=self.base, api_key=KEY)
        self.aclient = instructor.from_openai(inner)

    def _asked(self, text: str, model: Any) -> dict[str, Any]:
        return {"model": MODEL, "messages": messages(text), "response_model": model}

    def call(self, text: str) -> Any:
        return self.client.chat.completions.create(**self._asked(text, Invoice))

    async def acall(self, text: str) -> Any:
        return await self.aclient.chat.completions.create(**self._asked(text, Invoice))

    async def apartial(self, text: str) -> AsyncIterator[Any]:
        async for found in self.aclient.chat.completions.create_partial(
            **self._asked(text, Listing)
        ):
            yield found

    def items(self, text: str) -> Iterator[Any]:
        yield from self.client.chat.completions.create_iterable(**self._asked(text, Item))


class PydanticAI(Client):
    """pydantic-ai over the openai SDK, its default output (a tool)."""

    async def aopen(self) -> None:
        import openai
        from pydantic_ai import Agent
        from pydantic_ai.models.openai import OpenAIChatModel
        from pydantic_ai.providers.openai import OpenAIProvider

        inner = openai.AsyncOpenAI(base_url=self.base, api_key=KEY)
        model = OpenAIChatModel(MODEL, provider=OpenAIProvider(openai_client=inner))
        self.invoices = Agent(model, output_type=Invoice)
        self.listings = Agent(model, output_type=Listing)

    async def acall(self, text: str) -> Any:
        return (await self.invoices.run(text)).output

    async def apartial(self, text: str) -> AsyncIterator[Any]:
        async with self.listings.run_stream(text) as stream:
            async for found in stream.stream_output(debounce_by=None):
                yield found


class LiteLLM(Client):
    """litellm and Pydantic."""

    def open(self) -> None:
        import litellm

        self.litellm = litellm
        self.options = {"model": f"openai/{MODEL}", "api_base": self.base, "api_key": KEY}

    def call(self, text: str) -> Invoice:
        found = self.litellm.completion(
            messages=messages(text), response_format=Invoice, **self.options
        )
        return Invoice.model_validate_json(found.choices[0].message.content)

    async def acall(self, text: str) -> Invoice:
        found = await self.litellm.acompletion(
            messages=messages(text), response_format=Invoice, **self.options
        )
        return Invoice.model_validate_json(found.choices[0].message.content)


class Httpx(_Httpx):
    """httpx and Pydantic."""


CLIENTS: dict[str, type[Client]] = {
    "requests": Requests,
    "httpx": Httpx,
    "httpx2": Httpx2,
    "httpx2 in 10 pools": Httpx2Sharded,
    "prompture": Prompture,
    "openai": OpenAI,
    "instructor": Instructor,
    "pydantic-ai": PydanticAI,
    "litellm": LiteLLM,
}
PEERS = ("openai", "instructor", "pydantic-ai", "litellm")
