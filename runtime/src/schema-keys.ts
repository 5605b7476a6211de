import { z } from "zod";

/** The keys that a schema made of objects allows at a path; none where it allows no keys. */
export function keysAt(schema: z.core.$ZodType, at: readonly PropertyKey[]): string[] {
  if (schema instanceof z.ZodObject) {
    const [key, ...rest] = at;
    if (key === undefined) return Object.keys(schema.shape);
    const below: z.core.$ZodType | undefined = schema.shape[String(key)];
    return below === undefined ? [] : keysAt(below, rest);
  }
  if (schema instanceof z.ZodPipe) return keysAt(schema.in, at);
  if (
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodPrefault ||
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodReadonly
  ) {
    return keysAt(schema.unwrap(), at);
  }
  return [];
}
