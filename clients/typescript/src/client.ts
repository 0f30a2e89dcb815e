/**
 * A typed client of the EUCORA API: paths, parameters, bodies and answers come from its OpenAPI description.
 *
 * Refusals are not thrown. Each call answers `{ data, error, response }`, and `error` is the problem document
 * (RFC 9457): branch on its `type`, show its `detail`.
 */

import createClient, { type Client, type Middleware } from "openapi-fetch";

import type { components, paths } from "./schema";

export type { components, paths } from "./schema";

export type Problem = components["schemas"]["ProblemDocument"];

export interface Options {
  /** Where the installation is, without `/api/v1`. */
  baseUrl: string;
  /** The bearer token of each call, asked for anew each time, so that it may be refreshed meanwhile. */
  token: () => string | Promise<string>;
  /** In place of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/** A client of one installation. */
export function createEucora(options: Options): Client<paths> {
  const client = createClient<paths>({
    baseUrl: options.baseUrl,
    ...(options.fetch === undefined ? {} : { fetch: options.fetch }),
  });
  const signed: Middleware = {
    async onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${await options.token()}`);
      return request;
    },
  };
  client.use(signed);
  return client;
}

/** A refusal, thrown by those who would rather catch it. */
export class Refused extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail ?? problem.title);
    this.name = "Refused";
  }
}

interface Page<Item> {
  items: Item[];
  next_cursor: string | null;
}

interface Answer<Item> {
  data?: Page<Item>;
  error?: Problem;
}

/**
 * Every item of a list, page by page, in its order.
 *
 * `fetchPage` gets the cursor of the page to ask for, undefined for the first one. Throws Refused.
 */
export async function* everyItem<Item>(
  fetchPage: (cursor: string | undefined) => Promise<Answer<Item>>,
): AsyncGenerator<Item, void, undefined> {
  let cursor: string | undefined;
  do {
    const { data, error } = await fetchPage(cursor);
    if (data === undefined) {
      throw error === undefined ? new Error("an answer without a body") : new Refused(error);
    }
    yield* data.items;
    cursor = data.next_cursor ?? undefined;
  } while (cursor !== undefined);
}
