/**
 * The description of the API, judged by a validator that others wrote.
 */
import assert from "node:assert/strict";
import { Validator } from "@seriousme/openapi-schema-validator";
import { withScripted } from "./scripted_api.ts";

Deno.test("GET /openapi.json is a valid document of OpenAPI 3.1", () =>
  withScripted(async (url) => {
    const document = await (await fetch(`${url}/openapi.json`)).json();
    const validator = new Validator();
    const { valid, errors } = await validator.validate(structuredClone(document));
    assert.ok(valid, JSON.stringify(errors ?? "").slice(0, 2_000));
    assert.equal(validator.version, "3.1");
    // The judge finds faults where there are some.
    const { get } = document.paths["/v1/models"];
    const paths = { "/v1/models": { get: { ...get, responses: { x: 1 } } } };
    assert.ok(!(await new Validator().validate({ ...document, paths })).valid);
  }));
