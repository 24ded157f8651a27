export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The text as JSON; undefined when it is none. */
  // biome-ignore lint/suspicious/noExplicitAny: what a server answers is looked at field by field
  readonly body: any;
}

/** One request; a body that is no string is sent as JSON. */
export async function ask(
  url: string,
  method = "GET",
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    redirect: "manual",
    headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = /[/+]json/.test(response.headers.get("content-type") ?? "") && text !== "";
  return {
    status: response.status,
    headers: response.headers,
    text,
    body: isJson ? JSON.parse(text) : undefined,
  };
}

/** The `data:` documents, or the lines, of a stream of changes, until `enough` says so. */
export async function readChanges<T>(
  url: string,
  headers: Readonly<Record<string, string>>,
  onChange: (change: T) => boolean,
): Promise<void> {
  const stop = new AbortController();
  const response = await fetch(url, { headers, signal: stop.signal });
  if (!response.ok || response.body === null)
    throw new Error(`the stream answers ${response.status}`);
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for await (const bytes of response.body) {
      const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
      rest = lines.pop() as string;
      for (const line of lines) {
        const json = line.startsWith("data: ") ? line.slice("data: ".length) : line;
        if (json.startsWith("{") && onChange(JSON.parse(json) as T)) return;
      }
    }
  } finally {
    stop.abort();
  }
}
