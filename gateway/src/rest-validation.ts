import { Ajv, type ErrorObject, type ValidateFunction } from "ajv";
import type { FastifySchemaCompiler } from "fastify";
import { type TSchema, Type } from "typebox";
import { type FieldProblem, RestRefusal } from "./rest-errors.ts";
import { patternMeanings } from "./rest-patterns.ts";

/** Most field problems in one answer, as many as one RPC error carries. */
export const fieldProblemsMax = 20;

// An unknown name is repeated to who sent it; of a very long one the beginning is enough.
const unknownNameMax = 40;

/**
 * Compiles the validators of the routes. Unknown fields are ignored where the schema does not
 * refuse them, and nothing is coerced but queries, which are text by nature. A validator refuses with a RestRefusal.
 */
export function createValidatorCompiler(): FastifySchemaCompiler<TSchema> {
  const options = { allErrors: true, verbose: true, allowUnionTypes: true, validateFormats: false };
  const exact = new Ajv(options);
  const coercing = new Ajv({ ...options, coerceTypes: true });
  return ({ schema, httpPart }) => {
    if (httpPart === "params") return refusing(exact.compile(schema), refusalOfPath);
    if (httpPart === "querystring") return refusing(coercing.compile(schema), refusalOfQuery);
    if (httpPart === "headers") return headerValidator(exact, schema);
    return refusing(exact.compile(schema), refusalOfBody);
  };
}

type Refuse = (errors: readonly ErrorObject[]) => RestRefusal;
type Validator = (data: unknown) => true | { error: RestRefusal };

function refusing(validate: ValidateFunction, refuse: Refuse): Validator {
  return (data) => {
    if (validate(data)) return true;
    // Of a wrong key Ajv tells the rule first, and then once more that there is a wrong key.
    const errors = (validate.errors ?? []).filter(({ keyword }) => keyword !== "propertyNames");
    // Of a misspelt field Ajv tells first that the right one is missing.
    errors.sort((one, other) => Number(isUnknownField(other)) - Number(isUnknownField(one)));
    return { error: refuse(errors.slice(0, fieldProblemsMax)) };
  };
}

function refusalOfBody(errors: readonly ErrorObject[]): RestRefusal {
  return RestRefusal.ofFields(errors.map((error) => fieldProblem(error)));
}

// A path that nothing can have is something that does not exist.
function refusalOfPath(errors: readonly ErrorObject[]): RestRefusal {
  const broken = errors.map(({ instancePath }) => instancePath);
  if (broken.includes("/id")) return notFound("WALLET_NOT_FOUND", "Wallet not found");
  if (broken.includes("/hold_id")) return notFound("HOLD_NOT_FOUND", "Hold not found");
  if (broken.includes("/transaction_id")) {
    return notFound("TRANSACTION_NOT_FOUND", "Transaction not found");
  }
  return refusalOfBody(errors);
}

function notFound(reason: string, detail: string): RestRefusal {
  return new RestRefusal(404, { reason, detail });
}

function refusalOfQuery(errors: readonly ErrorObject[]): RestRefusal {
  return RestRefusal.ofFields(
    errors.map((error) => ({
      ...fieldProblem(error),
      ...(Array.isArray(error.data) ? { detail: "must be given only once" } : {}),
    })),
  );
}

/** Node has header names in lower case, while the schema and the problems have them as usual. */
function headerValidator(ajv: Ajv, schema: TSchema): Validator {
  const properties = Type.IsObject(schema) ? Object.entries(schema.properties) : [];
  const names = new Map(properties.map(([name]) => [name.toLowerCase(), name]));
  const lowerCase = properties.map(([name, header]) => [name.toLowerCase(), header] as const);
  const validate = ajv.compile({ type: "object", properties: Object.fromEntries(lowerCase) });
  return refusing(validate, (errors) =>
    RestRefusal.ofFields(
      errors.map((error) => {
        const { field, detail } = fieldProblem(error);
        return { field: names.get(field) ?? field, detail };
      }),
    ),
  );
}

function fieldProblem(error: ErrorObject): FieldProblem {
  const { keyword, params, propertyName } = error;
  if (isUnknownField(error)) return unknownField(error);
  const field = fieldName(error.instancePath);
  if (keyword === "required") {
    const within = field === "" ? "" : `${field}.`;
    return { field: within + params.missingProperty, detail: "is required" };
  }
  if (field === "") return { field: "body", detail: "must be a JSON object" };
  // What is never taken says in its description what to do instead.
  const detail = keyword === "not" ? error.parentSchema?.description : ruleMeaning(keyword, params);
  return { field, detail: propertyName === undefined ? detail : `has a key that ${detail}` };
}

function isUnknownField({ keyword }: ErrorObject): boolean {
  return keyword === "additionalProperties";
}

function unknownField({ instancePath, params, parentSchema }: ErrorObject): FieldProblem {
  const name = [...String(params.additionalProperty)].slice(0, unknownNameMax).join("");
  const pointer = `${instancePath}/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
  const known = Object.keys(parentSchema?.properties ?? {}).join(", ");
  const detail =
    name === "request_id"
      ? "Not request_id in the body: send it as the header Idempotency-Key"
      : `Unknown field ${JSON.stringify(name)}; the fields here are ${known}`;
  return { field: fieldName(pointer), detail };
}

/** A place in a body as the contract names it: `legs[0].amount`, `metadata["a/b"]`. */
function fieldName(pointer: string): string {
  const parts = pointer.split("/").slice(1);
  return parts
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce((place, part) => {
      if (place === "") return part;
      if (/^\d+$/.test(part)) return `${place}[${part}]`;
      return /^\w+$/.test(part) ? `${place}.${part}` : `${place}[${JSON.stringify(part)}]`;
    }, "");
}

function ruleMeaning(keyword: string, params: ErrorObject["params"]): string {
  switch (keyword) {
    case "type":
      return `must be ${[params.type].flat().map(typeMeaning).join(" or ")}`;
    case "minItems":
      return `must have at least ${params.limit} item`;
    case "maxItems":
      return `must have at most ${params.limit} items`;
    case "maxProperties":
      return `must have at most ${params.limit} pairs`;
    case "minLength":
      return "must not be empty";
    case "maxLength":
      return `must have at most ${params.limit} characters`;
    case "minimum":
      return `must be at least ${params.limit}`;
    case "maximum":
      return `must be at most ${params.limit}`;
    case "pattern":
      return patternMeanings[params.pattern] ?? "has a wrong form";
    default:
      return "breaks its rule";
  }
}

function typeMeaning(type: string): string {
  if (type === "integer") return "a whole number";
  if (type === "null") return type;
  return /^[ao]/.test(type) ? `an ${type}` : `a ${type}`;
}
