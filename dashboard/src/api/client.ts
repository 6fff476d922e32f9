// The API by the types of its own document: the one thing that the page knows of.

import type { Client } from "openapi-fetch";
import type { components, paths } from "./schema";

export type Schemas = components["schemas"];
// What went wrong; a proxy in front of the API has problems of its own types.
export type Problem = Omit<Schemas["Problem"], "type"> & { type: string };
export type Conclusion = Schemas["Run"]["conclusion"];

// What a call gave, whichever route it asked.
export interface Answered<T> {
  data?: T;
  error?: Problem;
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

// A viewer may have one expensive question under way per route and four in all: others wait here,
// where who leaves the view takes them back.
const MOST = 4;
const MOST_TRIES = 8;
const underWay = new Map<string, Promise<unknown>>();
let free = MOST;
const waiting: (() => void)[] = [];

async function inTurn(request: Request): Promise<Response> {
  // What changes something is no question, and waits for none.
  if (request.method !== "GET") return patiently(request);
  const { pathname } = new URL(request.url);
  const turn = (underWay.get(pathname) ?? Promise.resolve()).then(() => oneOfAll(request));
  underWay.set(
    pathname,
    turn.catch(() => undefined),
  );
  return turn;
}

async function oneOfAll(request: Request): Promise<Response> {
  while (free === 0) await new Promise<void>((go) => waiting.push(go));
  free -= 1;
  try {
    return await patiently(request);
  } finally {
    free += 1;
    waiting.shift()?.();
  }
}

// What was taken back goes on at the server for a moment, and counts there.
async function patiently(request: Request): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    request.signal.throwIfAborted();
    const response = await fetch(request.clone());
    if (response.status !== 429 || tries === MOST_TRIES) return response;
    const problem: unknown = await response.clone().json();
    if (!isProblem(problem) || !problem.type.endsWith("/too-expensive")) return response;
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((go) => setTimeout(go, seconds * 1000));
  }
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
  const isJson = /[/+]json/.test(response.headers.get("Content-Type") ?? "");
  const content: unknown = text && isJson ? JSON.parse(text) : undefined;
  if (response.ok) return { data: content, response };
  return { error: isProblem(content) ? content : unexpected(response), response };
}

// Not every fault comes from the API.
function unexpected({ status, statusText }: Response): Problem {
  return { type: "about:blank", title: statusText || "Unexpected answer", status, detail: "" };
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

function isProblem(error: unknown): error is Problem {
  return typeof error === "object" && error !== null && "detail" in error && "status" in error;
}
