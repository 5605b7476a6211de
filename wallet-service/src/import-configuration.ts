import { clientTlsSchema } from "@pelikuni/runtime/certificates";
import { z } from "zod";

/** The section `import` of the configuration. */
export const importSchema = z.strictObject({
  /** `postgres://user:password@host:port/database` of the earlier version; an argument goes before. */
  source_url: z.url().optional(),
  source_tls: clientTlsSchema,
  /** The earlier version had none: which one its balances are in. */
  currency: z.string().min(1),
});

/** The parsed section `import`. */
export type ImportConfiguration = z.output<typeof importSchema>;
