import type { DescField, DescMessage, Message } from "@bufbuild/protobuf";
import { ScalarType } from "@bufbuild/protobuf";
import { type Path, pathToString } from "@bufbuild/protobuf/reflect";
import type { FieldViolation } from "./rpc-errors.ts";

/** Finds the text in a message, at any depth, that cannot be stored or sent on as it is. */
export type TextCheck = (schema: DescMessage, message: Message) => FieldViolation[];

interface Search {
  readonly path: Path;
  readonly found: FieldViolation[];
}

type Inspect = (value: unknown, search: Search) => void;

/**
 * Makes a check of every string field, list element, map key and map value. U+0000 fails in SQL
 * statements, and a lone surrogate is silently replaced when it is encoded.
 * @param violationsMax how many violations to report at most
 */
export function createTextCheck(violationsMax: number): TextCheck {
  const inspectors = new Map<DescMessage, Inspect>();

  function inspectorOf(schema: DescMessage): Inspect {
    const known = inspectors.get(schema);
    if (known !== undefined) return known;
    const fields = schema.fields.map((field) => fieldInspector(field, inspectorOf));
    const texts = fields.filter((inspect) => inspect !== undefined);
    const inspect: Inspect = (value, search) => {
      for (const inspectField of texts) {
        if (search.found.length >= violationsMax) return;
        inspectField(value, search);
      }
    };
    inspectors.set(schema, inspect);
    return inspect;
  }

  return (schema, message) => {
    const search: Search = { path: [], found: [] };
    inspectorOf(schema)(message, search);
    return search.found.slice(0, violationsMax);
  };
}

function fieldInspector(
  field: DescField,
  inspectorOf: (schema: DescMessage) => Inspect,
): Inspect | undefined {
  const inspect = valueInspector(field, inspectorOf);
  if (inspect === undefined) return undefined;
  const { oneof, localName } = field;
  return (message, search) => {
    if (!isRecord(message)) return;
    const member = oneof === undefined ? message[localName] : message[oneof.localName];
    const value = oneof === undefined ? member : chosenValue(member, localName);
    if (value === undefined) return;
    search.path.push(field);
    inspect(value, search);
    search.path.pop();
  };
}

function valueInspector(
  field: DescField,
  inspectorOf: (schema: DescMessage) => Inspect,
): Inspect | undefined {
  const { fieldKind } = field;
  if (fieldKind === "scalar") return field.scalar === ScalarType.STRING ? inspectText : undefined;
  if (fieldKind === "enum") return undefined;
  const element = elementInspector(field, inspectorOf);
  if (fieldKind === "message") return element;
  if (fieldKind === "list") return element && listInspector(element);
  const key = field.mapKey === ScalarType.STRING ? inspectText : undefined;
  return element === undefined && key === undefined ? undefined : mapInspector(key, element);
}

function elementInspector(
  field: DescField,
  inspectorOf: (schema: DescMessage) => Inspect,
): Inspect | undefined {
  const { message: schema } = field;
  // Looked up only when a value is there, since a message type may contain itself.
  if (schema !== undefined) return (value, search) => inspectorOf(schema)(value, search);
  return field.scalar === ScalarType.STRING ? inspectText : undefined;
}

function listInspector(inspectElement: Inspect): Inspect {
  return (list, search) => {
    if (!Array.isArray(list)) return;
    for (const [index, element] of list.entries()) {
      search.path.push({ kind: "list_sub", index });
      inspectElement(element, search);
      search.path.pop();
    }
  };
}

function mapInspector(
  inspectKey: Inspect | undefined,
  inspectElement: Inspect | undefined,
): Inspect {
  return (map, search) => {
    if (!isRecord(map)) return;
    for (const [key, element] of Object.entries(map)) {
      search.path.push({ kind: "map_sub", key });
      inspectKey?.(key, search);
      inspectElement?.(element, search);
      search.path.pop();
    }
  };
}

function inspectText(value: unknown, search: Search): void {
  if (typeof value !== "string") return;
  if (value.includes("\0")) report("must not contain U+0000", search);
  // With the u flag, a pair of surrogates is one character outside this range.
  else if (/[\uD800-\uDFFF]/u.test(value))
    report("must be Unicode, without lone surrogates", search);
}

function report(description: string, { path, found }: Search): void {
  found.push({ field: pathToString(path), description });
}

function chosenValue(oneof: unknown, localName: string): unknown {
  return isRecord(oneof) && oneof.case === localName ? oneof.value : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
