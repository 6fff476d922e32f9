// Addresses of GitHub's, and what they are called here.

const NAME = "/:owner([\\w.\\-]+)/:name([\\w.\\-]+)";

type Groups = Record<string, string | undefined>;

// The patterns are tried in this order.
const ADDRESSES: [string, (groups: Groups) => string][] = [
  [`${NAME}/actions/runs/:run(\\d+)/attempts/:attempt(\\d+)`, run],
  [`${NAME}/actions/runs/:run(\\d+)/job/:job(\\d+)`, run],
  [`${NAME}/actions/runs/:run(\\d+)`, run],
  [
    `${NAME}/pull/:number(\\d+){/*}?`,
    (at) => `/app/explore?repository=${repository(at)}&pull_request=${at["number"]}&period=90d`,
  ],
  [
    `${NAME}/commit/:sha([0-9a-f]{7,40})`,
    (at) => `/app/explore?repository=${repository(at)}&head_sha=${at["sha"]}&period=90d`,
  ],
  [`${NAME}/actions{/*}?`, overview],
  [`${NAME}{/}?`, overview],
];

function repository(at: Groups): string {
  return encodeURIComponent(`${at["owner"]}/${at["name"]}`);
}

function overview(at: Groups): string {
  return `/app/?repository=${repository(at)}`;
}

function run(at: Groups): string {
  const query = new URLSearchParams();
  if (at["attempt"]) query.set("attempt", at["attempt"]);
  if (at["job"]) query.set("job", at["job"]);
  return `/app/runs/${at["run"]}${query.size ? `?${query}` : ""}`;
}

// Where a path of GitHub's leads to here; null where it is none.
export function fromGitHub(path: string): string | null {
  for (const [pathname, to] of ADDRESSES) {
    const found = new URLPattern({ pathname }).exec({ pathname: path });
    if (found) return to(found.pathname.groups);
  }
  return null;
}

// The same of what somebody pasted, which may be a whole address.
export function fromPasted(text: string): string | null {
  const found = /^https?:\/\/[^/]+(\/[^?#]*)/.exec(text.trim());
  return found?.[1] ? fromGitHub(found[1]) : null;
}

// Whether a path is one of a route of the API, as its document writes it: `/runs/{run_id}`.
export function isAt(route: string, path: string): boolean {
  return new URLPattern({ pathname: route.replace(/\{(\w+)\}/g, ":$1") }).test({ pathname: path });
}
