import type { DescField, DescMethod, DescService, Message } from "@bufbuild/protobuf";
import { isReflectList, reflect } from "@bufbuild/protobuf/reflect";

/** Tells how many calls a request counts as. */
export type CallCost = (method: DescMethod, request: Message) => number;

/** Of a page, together they are about as much work as a transfer. */
const rowsPerCall = 8;
/** Of a page whose request leaves it open. */
const pageSizeDefault = 100;

/**
 * What the requests of services count as, by their shape: as many calls as they have items, such as
 * the transfers of a batch or the legs of a transaction, and one more for every eight rows of a page.
 */
export function createCallCost(services: readonly DescService[]): CallCost {
  const costs = new Map<DescMethod, (request: Message) => number>();
  for (const method of services.flatMap(({ methods }) => methods)) {
    const items = method.input.fields.filter(holdsItems);
    const pageSize = method.input.fields.find(({ name }) => name === "page_size");
    if (items.length === 0 && pageSize === undefined) continue;
    costs.set(method, (request) => {
      const sent = reflect(method.input, request);
      const rows = pageSize === undefined ? 0 : Number(sent.get(pageSize)) || pageSizeDefault;
      const counts = items.map((field) => sizeOf(sent.get(field)));
      return Math.max(1, ...counts) + rows / rowsPerCall;
    });
  }
  return (method, request) => costs.get(method)?.(request) ?? 1;
}

function holdsItems(field: DescField): boolean {
  return field.fieldKind === "list" && field.listKind === "message";
}

function sizeOf(value: unknown): number {
  return isReflectList(value) ? value.size : 0;
}
