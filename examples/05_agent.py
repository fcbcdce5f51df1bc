"""An agent with two tools and a typed end, a limit in dollars, and a conversation.

It runs without a key: the model is a script. For a real one write ``Agent("openai/gpt-5-mini",
...)``; nothing else changes.
"""

from pydantic import BaseModel

from prompture import Agent, Context, Conversation, ToolRetry, tool
from prompture.agents import StepFinished, ToolFinished
from prompture.testing import ScriptedDriver
from prompture.types import ToolCall

STOCK = {"apple": 12, "pear": 0}


class Order(BaseModel):
    item: str
    amount: int
    in_stock: bool


@tool
def stock(item: str, shop: Context[dict[str, int]]) -> int:
    """How many of an item there are.

    Args:
        item: its name, in the singular
    """
    if item not in shop.value:
        raise ToolRetry(f"There is no {item!r}; there are {', '.join(shop.value)}.")
    return shop.value[item]


async def price(item: str, amount: int = 1) -> dict[str, str]:
    """What an amount of an item costs, in dollars."""
    return {"item": item, "usd": f"{0.5 * amount:.2f}"}


model = ScriptedDriver(
    [
        [
            ToolCall(id="1", name="stock", arguments={"item": "apples"}),
            ToolCall(id="2", name="price", arguments={"item": "apple", "amount": 3}),
        ],
        [ToolCall(id="3", name="stock", arguments={"item": "apple"})],
        {"item": "apple", "amount": 3, "in_stock": True},
    ]
)
agent = Agent(model, tools=[stock, price], output=Order, context=STOCK, max_usd=1, max_steps=5)

for event in agent.stream("Three apples, please."):
    if isinstance(event, ToolFinished):
        print(f"{event.use.call.name}: {event.use.status}: {event.use.content}")
    elif isinstance(event, StepFinished):
        print(f"step {event.step.number} cost {event.step.bill}")
    elif hasattr(event, "result"):
        print(event.result.output)

talk = Conversation(ScriptedDriver(["Hello Ann.", "Ann."]), system="Be brief.")
print(talk.say("I am Ann."))
print(talk.fork().say("Who am I?"))
