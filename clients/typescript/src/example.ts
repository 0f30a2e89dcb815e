/** What an integrator does first, held to the description by the compiler. */

import { createEucora, everyItem, Refused } from "./client";

/** Names of the rollouts that wait for somebody, with what each waits for. */
export async function whatWaits(baseUrl: string, token: string): Promise<Map<string, string[]>> {
  const eucora = createEucora({ baseUrl, token: () => token });
  const waits = new Map<string, string[]>();
  const intents = everyItem((cursor) =>
    eucora.GET("/api/v1/deployment-intents", {
      params: { query: { limit: 100, ...(cursor === undefined ? {} : { cursor }) } },
    }),
  );
  for await (const intent of intents) {
    const { data, error } = await eucora.GET("/api/v1/deployment-intents/{intent_id}/blockers", {
      params: { path: { intent_id: intent.id } },
    });
    if (error !== undefined) {
      throw new Refused(error);
    }
    waits.set(
      intent.id,
      data.blockers.map((blocker) => blocker.reason),
    );
  }
  return waits;
}

/** Stop a rollout; the same key again stops nothing twice. */
export async function halt(baseUrl: string, token: string, intentId: string, key: string): Promise<number> {
  const eucora = createEucora({ baseUrl, token: () => token });
  const { data, error } = await eucora.POST("/api/v1/deployment-intents/{intent_id}/halts", {
    params: { path: { intent_id: intentId }, header: { "Idempotency-Key": key } },
    body: { reason: "devices do not start after it" },
  });
  if (error !== undefined) {
    throw new Refused(error);
  }
  return data.version;
}
