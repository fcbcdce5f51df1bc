"""A cascade: models are tried in order, and every attempt is on the bill.

The two models are scripted here, so that the example runs anywhere; give names instead, such as
``model=["groq/openai/gpt-oss-20b", "openai/gpt-5-mini"]``.
"""

from pydantic import BaseModel

from prompture import extract_result
from prompture.testing import ScriptedDriver


class Person(BaseModel):
    name: str
    age: int


small = ScriptedDriver([{"name": "Ada", "age": "unknown"}], model="small")
large = ScriptedDriver([{"name": "Ada", "age": 36}], model="large")

result = extract_result(Person, "Ada, 36", model=[small, large], max_retries=0)
print(result.value)
for attempt in result.attempts:
    print(attempt.model, *attempt.problems)
