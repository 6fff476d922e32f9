// The API by the types of its own document: the one thing that the page knows of.

import createClient from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Conclusion = Schemas["Run"]["conclusion"];

// A viewer may have one expensive question under way per route: others of the same wait here, where
// who leaves the view takes them back.
const underWay = new Map<string, Promise<unknown>>();

async function inTurn(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const turn = (underWay.get(pathname) ?? Promise.resolve()).then(() => {
    request.signal.throwIfAborted();
    return fetch(request);
  });
  underWay.set(
    pathname,
    turn.catch(() => undefined),
  );
  return turn;
}

export const api = createClient<paths, "application/json" | "application/problem+json">({
  baseUrl: location.origin,
  fetch: inTurn,
});

// What a call gave, whichever route it asked.
export interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

export function isProblem(error: unknown): error is Schemas["Problem"] {
  return typeof error === "object" && error !== null && "detail" in error && "status" in error;
}
