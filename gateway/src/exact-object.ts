import { type TObject, type TProperties, type TSchemaOptions, Type } from "typebox";

/**
 * A body, or a part of one, that takes no other fields: a misspelt one would move other money than
 * was meant.
 */
export function exactObject<Fields extends TProperties>(
  fields: Fields,
  options: TSchemaOptions = {},
): TObject<Fields> {
  return Type.Object(fields, { ...options, additionalProperties: false });
}
