"""Tool calls with a driver alone, and a test double for the model."""

from prompture import Message, ToolCall
from prompture.testing import ScriptedDriver

weather = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
driver = ScriptedDriver([ToolCall(id="1", name="weather", arguments={"city": "Oslo"}), "Rain."])

turns = [Message(role="user", content="What is the weather in Oslo?")]
asked = driver.generate_messages_with_tools(turns, [weather])
for call in asked.tool_calls:
    print(call.name, call.arguments)
    turns += [asked.message(), Message(role="tool", call_id=call.id, content="rain, 4 degrees")]
print(driver.generate_messages_with_tools(turns, [weather]).text)
