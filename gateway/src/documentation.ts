import { createRequire } from "node:module";
import path from "node:path";
import fastifyStatic from "@fastify/static";
import swagger from "@fastify/swagger";
import { apiKeySchema } from "./api-key-schema.ts";
import { entrySchema } from "./history-schema.ts";
import { holdSchema } from "./hold-schema.ts";
import type { RestServer } from "./http-server.ts";
import { isOptionalBody } from "./optional-body.ts";
import { docsPage, docsScript, homePage } from "./pages.ts";
import { problemSchema } from "./rest-schema-parts.ts";
import { walletSchema } from "./wallet-schema.ts";

const swaggerUiFiles = ["/swagger-ui.css", "/swagger-ui-bundle.js", "/favicon-32x32.png"];

const noPage = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const homePolicy = `default-src 'none'; style-src 'unsafe-inline'; ${noPage}`;
const docsPolicy = `default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; ${noPage}`;

/** Gathers the schemas of the routes; has to come before the routes. */
export async function collectOpenApi(app: RestServer): Promise<void> {
  app.addSchema(walletSchema);
  app.addSchema(holdSchema);
  app.addSchema(entrySchema);
  app.addSchema(apiKeySchema);
  app.addSchema(problemSchema);
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Pelikuni",
        version: "1",
        description:
          "A digital wallet. Amounts and balances are decimal strings. Errors are " +
          "application/problem+json (RFC 9457): `reason` is for programs, `detail` for people.",
      },
      components: {
        securitySchemes: {
          bearer: {
            type: "http",
            scheme: "bearer",
            description:
              "A token of the OpenID provider, or an API key (pelikuni_…). Not needed where the " +
              "services ask nobody who he is, as on a laptop.",
          },
        },
      },
      security: [{ bearer: [] }],
      tags: [
        { name: "wallets", description: "Create, read, change, freeze and close wallets" },
        { name: "money", description: "Move money, and take it back" },
        { name: "holds", description: "Set money aside, and pay out of it" },
        { name: "history", description: "What happened, and what was when" },
        { name: "accounts", description: "Currencies, and accounts outside the wallets" },
        { name: "API keys", description: "Keys of machines" },
        { name: "service", description: "The service itself" },
      ],
    },
    transformObject: (documented) => {
      if (!("openapiObject" in documented)) throw new Error("The document is not OpenAPI 3");
      const { openapiObject } = documented;
      for (const path of Object.values(openapiObject.paths ?? {})) {
        const body = path?.post?.requestBody;
        if (body === undefined || !("content" in body)) continue;
        // The plug-in takes every body for a required one.
        body.required = !isOptionalBody(body.content["application/json"]?.schema);
      }
      return openapiObject;
    },
    refResolver: { buildLocalReference: (json) => String(json.$id) },
  });
}

/** Serves the home page, the OpenAPI document and the page that shows it. */
export async function serveDocumentation(app: RestServer): Promise<void> {
  const hidden = { schema: { hide: true } };
  app.get("/", hidden, (request, reply) =>
    reply
      .type("text/html")
      .header("Content-Security-Policy", homePolicy)
      .send(homePage(request.host)),
  );
  app.get("/openapi.json", hidden, (_request, reply) =>
    reply.type("application/json").send(JSON.stringify(app.swagger())),
  );
  app.get("/docs", hidden, (_request, reply) =>
    reply.type("text/html").header("Content-Security-Policy", docsPolicy).send(docsPage),
  );
  app.get("/docs/", hidden, (_request, reply) => reply.redirect("/docs"));
  app.get("/docs/start.js", hidden, (_request, reply) =>
    reply.type("text/javascript").send(docsScript),
  );
  await app.register(fastifyStatic, {
    root: path.dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json")),
    prefix: "/docs/",
    index: false,
    decorateReply: false,
    allowedPath: (file) => swaggerUiFiles.includes(file),
  });
}
