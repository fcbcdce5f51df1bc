"""Where each value stood, and what it cost."""

from pathlib import Path

from prompture import extract_result

text = (Path(__file__).parent / "documents" / "invoice.txt").read_text(encoding="utf-8")
schema = {
    "type": "object",
    "properties": {
        "invoice_number": {"type": "string"},
        "grand_total": {"type": "number", "description": "total amount due, tax included"},
    },
    "required": ["invoice_number", "grand_total"],
}

result = extract_result(schema, text)
for pointer, spans in result.sources.items():
    best = spans[0]
    print(pointer, repr(text[best.start : best.end]), f"at {best.start}-{best.end}, {best.kind}")
print(result.model, result.cost)
