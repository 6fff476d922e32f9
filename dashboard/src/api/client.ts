// The API by the types of its own document: the one thing that the page knows of.

import type { Client } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
export type Conclusion = Schemas["Run"]["conclusion"];

// What a call gave, whichever route it asked.
export interface Answered<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

interface Asked {
  params?: {
    path?: Record<string, unknown>;
    query?: Record<string, unknown>;
    header?: Record<string, string>;
  };
  body?: unknown;
  signal?: AbortSignal;
}

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

function requestOf(method: string, route: string, { params, body, signal }: Asked): Request {
  const { path = {}, query = {}, header = {} } = params ?? {};
  const url = new URL(
    route.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(path[name]))),
    location.origin,
  );
  for (const [name, value] of Object.entries(query)) {
    for (const each of [value].flat()) {
      if (each !== undefined) url.searchParams.append(name, String(each));
    }
  }
  const headers = new Headers(header);
  if (body !== undefined) headers.set("Content-Type", "application/json");
  return new Request(url, {
    method,
    headers,
    body: body === undefined ? null : JSON.stringify(body),
    signal: signal ?? null,
  });
}

async function ask(method: string, route: string, asked: Asked = {}): Promise<Answered<unknown>> {
  const response = await inTurn(requestOf(method, route, asked));
  const text = await response.text();
  // Not every fault comes from the API.
  const isJson = /[/+]json/.test(response.headers.get("Content-Type") ?? "");
  const content: unknown = text && isJson ? JSON.parse(text) : undefined;
  return response.ok ? { data: content, response } : { error: content ?? text, response };
}

// openapi-fetch knows the types; its code is six times this.
export const api = {
  GET: ask.bind(null, "GET"),
  POST: ask.bind(null, "POST"),
  DELETE: ask.bind(null, "DELETE"),
} as unknown as Pick<
  Client<paths, "application/json" | "application/problem+json">,
  "GET" | "POST" | "DELETE"
>;

export function isProblem(error: unknown): error is Schemas["Problem"] {
  return typeof error === "object" && error !== null && "detail" in error && "status" in error;
}
