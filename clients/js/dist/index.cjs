Object.defineProperty(exports, Symbol.toStringTag, { value: "Module" });
//#region src/token.ts
/** Bytes of the opaque encoding before the session's id: version, key id, profile, account. */
const SESSION_AT = 20;
const GENERATION_AT = 36;
const OPAQUE_BYTES = 92;
/** The bytes of base64url without padding, as text of one character a byte; throws on anything else. */
const decode = (text) => atob(text.replace(/-/g, "+").replace(/_/g, "/"));
/** What a JWT says, unverified; undefined for what is none. */
function readClaims(jwt) {
	try {
		const bytes = Uint8Array.from(decode(jwt.split(".")[1]), (letter) => letter.charCodeAt(0));
		const claims = JSON.parse(new TextDecoder().decode(bytes));
		return claims && typeof claims === "object" ? claims : void 0;
	} catch {
		return;
	}
}
/**
* Which session a refresh token is of, and which generation: the one thing in it that a client may read, to know which of two
* is newer. Undefined for a token of another system.
*/
function readToken(token) {
	const { sid, gen } = readClaims(token) ?? {};
	if (typeof sid === "string" && typeof gen === "number") return {
		session: sid,
		generation: gen
	};
	try {
		const bytes = token.startsWith("spr_") ? decode(token.slice(4)) : "";
		if (bytes.length !== OPAQUE_BYTES) return void 0;
		const hex = Array.from(bytes, (letter) => letter.charCodeAt(0).toString(16).padStart(2, "0")).join("");
		return {
			session: hex.slice(SESSION_AT * 2, GENERATION_AT * 2).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-"),
			generation: parseInt(hex.slice(GENERATION_AT * 2, GENERATION_AT * 2 + 16), 16)
		};
	} catch {
		return;
	}
}
//#endregion
//#region src/error.ts
/** Whatever this client rejects with, but for the abort of one's own signal. */
var SpragError = class extends Error {
	/** Stays the same from release to release. */
	code;
	/** The answer's status; 0 where there was none. */
	status;
	/** In how many seconds the server wants to be asked again. */
	retryAfter;
	/** The answer's body, where it was JSON. */
	body;
	constructor(code, message, status = 0, body, retryAfter) {
		super(message);
		this.name = "SpragError";
		this.code = code;
		this.status = status;
		this.body = body;
		this.retryAfter = retryAfter;
	}
};
//#endregion
//#region src/wire.ts
/** How long one request may take, its body included. */
const DEADLINE = 8e3;
const unreachable = (why) => new SpragError("unreachable", `the session server could not be reached: ${why}; the session goes on, try again`);
/** The platform's `fetch`, looked up at each call: what replaces it later (a mock, an instrument) counts. */
const platformFetch = (input, init) => globalThis.fetch(input, init);
/** Sends to the session server; rejects as `unreachable` where no answer came whole and in time. */
function sender(options) {
	const { url, mode, fetch: ask = platformFetch } = options;
	const credentials = options.credentials ?? (mode === "cookie" ? "include" : "omit");
	const base = url.replace(/\/+$/, "");
	return async (path, { body, headers, keepalive }) => {
		const controller = new AbortController();
		const init = {
			method: "POST",
			headers: {
				...options.headers,
				...headers,
				...body && { "Content-Type": "application/json" }
			},
			credentials,
			cache: "no-store",
			redirect: "error",
			signal: controller.signal,
			...body && { body: JSON.stringify(body) },
			...keepalive && { keepalive }
		};
		const answer = async () => {
			const response = await ask(base + path, init);
			const text = await response.text();
			const wait = Number(response.headers.get("Retry-After") || NaN);
			return {
				status: response.status,
				body: parse$1(text),
				retryAfter: wait >= 0 ? wait : void 0
			};
		};
		let timer;
		const late = new Promise((_, reject) => {
			timer = setTimeout(() => {
				reject(unreachable(`no answer in ${DEADLINE / 1e3} s`));
				controller.abort();
			}, DEADLINE);
		});
		try {
			return await Promise.race([answer(), late]);
		} catch (error) {
			throw error instanceof SpragError ? error : unreachable(String(error?.message ?? error));
		} finally {
			clearTimeout(timer);
		}
	};
}
const parse$1 = (text) => {
	try {
		const body = JSON.parse(text);
		return body && typeof body === "object" ? body : void 0;
	} catch {
		return;
	}
};
/** A member of an answer, by its name or a path with dots. */
const member = (body, path) => path?.split(".").reduce((at, name) => at?.[name], body);
const text = (body, path) => {
	const value = member(body, path);
	return typeof value === "string" && value ? value : void 0;
};
/** Whether an answer gave tokens. */
const isGiven = ({ status, body }, { answer }) => status >= 200 && status < 300 && !!text(body, answer.access);
/** Whether it is a 401 that says one of these things. */
const says = ({ status, body }, { refusal }, what) => {
	const said = text(body, refusal.code) ?? text(body, refusal.message);
	return status === 401 && !!said && what.some((start) => said.startsWith(start));
};
/** Whether to ask again: no answer, or a server that cannot just now. */
const isFault = ({ status }) => status < 200 || status >= 500 || status === 408 || status === 429;
/** What a caller is told of an answer that gave no tokens. */
const refusalOf = ({ status, body, retryAfter }, { refusal }) => {
	const sentence = text(body, refusal.message);
	if (!sentence && (status < 400 || status > 499)) return unreachable(`what came was no answer of its own (status ${status})`);
	return new SpragError(text(body, refusal.code) ?? (status > 499 || status === 429 || status === 408 ? "unavailable" : "refused"), sentence ?? `the session server answered ${status}`, status, body, retryAfter);
};
//#endregion
//#region src/access.ts
const now = () => [performance.now(), Date.now()];
/** What has passed since: the longer of both, for an early refresh harms nobody. No clock is compared with another machine's. */
const passed = (since) => Math.max(performance.now() - since[0], Date.now() - since[1]);
const between = (least, most) => least + Math.random() * (most - least);
/** What an access token is taken to live where nobody says it, in seconds. */
const GUESSED_LIFE = 300;
/** The access token of an answer; `isFirst` in a session that has not refreshed yet. */
function accessOf({ answer }, body, of, isFirst, since) {
	const token = text(body, answer.access);
	const { exp, iat } = readClaims(token) ?? {};
	const life = Number(member(body, answer.expiresIn) ?? exp - iat) || GUESSED_LIFE;
	const told = Number(member(body, answer.refreshIn) ?? NaN);
	const ahead = told >= 0 ? told : life * (isFirst ? between(.15, .9) : between(.6, .9));
	return {
		token,
		of,
		life: life * 1e3,
		ahead: ahead * 1e3,
		since
	};
}
/** The session that an answer is of; '' where nothing in it says so. */
const sessionOf = ({ answer }, body) => readToken(text(body, answer.refresh) ?? "")?.session ?? text(body, answer.session) ?? text(readClaims(text(body, answer.access) ?? ""), "sid") ?? "";
/** The same token for another tab, whose clock starts elsewhere. */
const left = (access) => ({
	...access,
	life: access.life - passed(access.since),
	ahead: access.ahead - passed(access.since)
});
/** Whether a next one should be asked for. */
const isDue = (access) => !access || passed(access.since) >= access.ahead;
/** Whether it still works, with a little room for the way to an API. */
const isGood = (access) => !!access && passed(access.since) < access.life - Math.min(5e3, access.life / 10);
//#endregion
//#region src/fetch.ts
/** Rejects when a caller gives up; what it waits for goes on for the others. */
const orAborted = (promise, signal) => signal ? new Promise((resolve, reject) => {
	const abort = () => reject(signal.reason);
	if (signal.aborted) abort();
	signal.addEventListener("abort", abort, { once: true });
	promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
}) : promise;
/** `fetch` with the access token: on a 401 it is refreshed, and the request sent once more. */
function bearing(bearer, ask) {
	/** An access token that was refused although it was new: yet another one would not help. */
	let useless;
	return async (input, init) => {
		const isRequest = typeof input === "object" && "headers" in input;
		const headers = new Headers(init?.headers ?? (isRequest ? input.headers : void 0));
		if (headers.has("Authorization") || !bearer.allows(isRequest ? input.url : input)) return ask(input, init);
		const signal = init?.signal ?? (isRequest ? input.signal : void 0);
		const token = await orAborted(bearer.accessToken(), signal);
		if (!token) return ask(input, init);
		const first = isRequest || init?.body instanceof ReadableStream ? new Request(input, init) : void 0;
		const spare = first?.clone();
		const sendWith = (fresh, request) => {
			(request?.headers ?? headers).set("Authorization", `Bearer ${fresh}`);
			return request ? ask(request) : ask(input, {
				...init,
				headers
			});
		};
		const drop = (stream) => {
			if (stream && !stream.locked) stream.cancel().catch(() => {});
		};
		const response = await sendWith(token, first).catch((error) => {
			drop(spare?.body);
			throw error;
		});
		const fresh = response.status === 401 && token !== useless ? await orAborted(bearer.refresh(token), signal) : void 0;
		if (!fresh) {
			drop(spare?.body);
			return response;
		}
		drop(response.body);
		const repeated = await sendWith(fresh, spare);
		if (repeated.status === 401) useless = fresh;
		return repeated;
	};
}
//#endregion
//#region src/profiles.ts
const ENDED = "this session has ended";
/** Sprag's own. */
const sprag = {
	routes: {
		login: "/api/v1/auth/login",
		refresh: "/api/v1/auth/refresh",
		logout: "/api/v1/auth/logout",
		logoutEverywhere: "/api/v1/auth/logout-all",
		register: "/api/v1/auth/register",
		password: "/api/v1/auth/password",
		stepUp: "/api/v1/auth/step-up"
	},
	answer: {
		access: "access_token",
		refresh: "refresh_token",
		expiresIn: "expires_in",
		refreshIn: "refresh_in",
		session: "session_id"
	},
	refusal: {
		code: "code",
		cause: "cause",
		message: "detail",
		ended: [
			"session_ended",
			"token_expired",
			"account_disabled"
		],
		unknown: ["token_invalid", "token_missing"]
	},
	cookie: { transport: "cookie" },
	loginTakesToken: true
};
const fastapi = {
	message: "detail",
	ended: [
		ENDED,
		"Token expired",
		"Inactive user"
	],
	unknown: ["Could not validate credentials", "Not authenticated"]
};
const oauth = {
	access: "access_token",
	refresh: "refresh_token",
	expiresIn: "expires_in"
};
/** FastAPI under `/api/v1/auth`, with opaque refresh tokens. */
const fastapiEvents = {
	routes: {
		login: "/api/v1/auth/login",
		refresh: "/api/v1/auth/refresh",
		logout: "/api/v1/auth/logout",
		logoutEverywhere: "/api/v1/auth/logout-all",
		register: "/api/v1/auth/register",
		password: "/api/v1/auth/change-password"
	},
	answer: oauth,
	refusal: fastapi
};
/** FastAPI under `/auth`, refreshed at `/auth/token/refresh`. */
const fastapiMonorepo = {
	routes: {
		login: "/auth/login",
		refresh: "/auth/token/refresh",
		logout: "/auth/logout",
		register: "/auth/register",
		password: "/auth/change-password"
	},
	answer: oauth,
	refusal: fastapi
};
/** FastAPI under `/api/v1/auth`, with JWTs for both tokens. */
const fastapiTemplate = {
	routes: {
		login: "/api/v1/auth/login",
		refresh: "/api/v1/auth/refresh",
		logout: "/api/v1/auth/logout",
		logoutEverywhere: "/api/v1/auth/logout/all",
		register: "/api/v1/auth/register",
		password: "/api/v1/auth/change-password"
	},
	answer: {
		access: "access_token",
		refresh: "refresh_token"
	},
	refusal: fastapi
};
/** Express under `/api/auth`: a cookie beside the body, and a log-out that ends every session. */
const expressMongo = {
	routes: {
		login: "/api/auth/login",
		refresh: "/api/auth/refresh-token",
		logout: "/api/auth/logout",
		logoutEverywhere: "/api/auth/logout",
		register: "/api/auth/register",
		password: "/api/auth/change-password"
	},
	answer: {
		access: "token",
		refresh: "refreshToken"
	},
	refusal: {
		message: "message",
		ended: [
			ENDED,
			"this token has expired",
			"this account is disabled"
		],
		unknown: ["this token is not valid here", "Not authorized, no token"]
	},
	cookie: {},
	logoutByAccessToken: true,
	registerSignsIn: true,
	passwordFields: ["currentPassword", "newPassword"]
};
/** Node under `/auth`: camelCase, user and tokens in one answer. */
const nodeSequelize = {
	routes: {
		login: "/auth/login",
		refresh: "/auth/refresh",
		logout: "/auth/logout",
		register: "/auth/register",
		password: "/auth/change-password"
	},
	answer: {
		access: "token",
		refresh: "refreshToken"
	},
	refusal: {
		code: "code",
		message: "message",
		ended: [
			"session_ended",
			"token_expired",
			"account_disabled"
		],
		unknown: ["token_invalid", "token_missing"]
	},
	registerSignsIn: true,
	passwordFields: ["currentPassword", "newPassword"]
};
//#endregion
//#region src/store.ts
/** How long a storage may think; one that hangs is taken for blocked. */
const PATIENCE$1 = 2e3;
/** 128 random bits. Not `randomUUID`, which pages without https do not have. */
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
/** Whether the one is an older token of the same session than the other. */
const isOlder = (one, other) => {
	const [a, b] = [readToken(one.t ?? ""), readToken(other.t ?? "")];
	return !!a && !!b && a.session === b.session && a.generation < b.generation;
};
const parse = (raw) => {
	try {
		const kept = JSON.parse(raw);
		return typeof kept.i === "string" ? kept : void 0;
	} catch {
		return;
	}
};
const inTime = (value) => new Promise((resolve, reject) => {
	const timer = setTimeout(reject, PATIENCE$1);
	const settle = () => clearTimeout(timer);
	value.then(resolve, reject).then(settle, settle);
});
const isPromise = (value) => typeof value?.then === "function";
/** What is kept, in the storage and in memory: where the storage is blocked, memory has to do. */
function openStore(storage, key, importFrom) {
	let last = { i: newId() };
	/** What the storage still holds although `last` should be there: a write was refused. */
	let stale = storage ? void 0 : null;
	let seen;
	let writing = 0;
	const take = (raw) => {
		if (writing || raw === stale || raw === seen) return last;
		const found = parse(raw);
		if (!found) {
			if (last.r) write(last);
		} else if (isOlder(found, last)) write(last);
		else {
			last = found;
			seen = raw;
			stale = storage ? void 0 : null;
		}
		return last;
	};
	/** A promise where the storage gives one. */
	const write = (kept) => {
		last = kept;
		seen = JSON.stringify(kept);
		const blocked = () => {
			try {
				stale = storage?.getItem(key) ?? null;
			} catch {
				stale = null;
			}
		};
		try {
			const done = storage?.setItem(key, seen);
			if (!isPromise(done)) {
				if (storage) stale = void 0;
				return;
			}
			writing += 1;
			const settle = () => {
				writing -= 1;
			};
			return inTime(done).then(settle, settle);
		} catch {
			return blocked();
		}
	};
	const look = () => {
		try {
			const raw = storage?.getItem(key) ?? null;
			if (raw !== null || !importFrom || last.r) return raw;
			return importBare(storage, importFrom);
		} catch {
			return stale;
		}
	};
	/** The bare token of the front end of before: generation zero of a session here. */
	const importBare = (from, bare) => {
		const taken = (token) => {
			if (token) {
				write({
					...last,
					t: token,
					s: "",
					r: newId()
				});
				from.removeItem(bare);
			}
			return stale;
		};
		const token = from.getItem(bare);
		return isPromise(token) ? token.then(taken) : taken(token);
	};
	return {
		get last() {
			return last;
		},
		read() {
			const raw = look();
			return isPromise(raw) ? inTime(raw).then(take, () => last) : take(raw);
		},
		async update(change) {
			const put = (kept) => {
				const next = change(kept);
				return next && write(next);
			};
			const kept = this.read();
			const done = kept instanceof Promise ? kept.then(put) : put(kept);
			if (isPromise(done)) await done;
			return last;
		},
		hear(raw) {
			take(raw);
		},
		unshared() {
			return stale === void 0 ? void 0 : JSON.stringify(last);
		}
	};
}
//#endregion
//#region src/client.ts
/** How long other tabs wait for the one that is about to replace the session, in milliseconds. */
const REPLACING = 1e4;
/** How often one call is tried while somebody waits for it: all of it within the server's reuse interval of 30 s. */
const TRIES = 3;
/** The longest waits between two tries, in milliseconds: while it is unreachable, and where trying again hardly helps. */
const BACK_OFF = 12e3;
const HOPELESS = 3e5;
/** The longest that a server may ask for, in milliseconds. */
const PATIENCE = 6e5;
/** How often one refresh may find that another tab was faster, before that is a failure. */
const ROUNDS = 6;
const quiet = () => {};
var LiveSession = class extends EventTarget {
	current = { state: "unknown" };
	get state() {
		return this.current.state;
	}
};
/** A client of one session: log in, and fetch. */
function createClient(options) {
	const { profile = sprag, mode, name = "sprag" } = options;
	const { routes, answer, refusal } = profile;
	const inBody = mode === "body";
	if (!inBody && !profile.cookie) throw new SpragError("not_offered", "this profile has no cookie mode; use mode: \"body\"");
	const page = typeof document === "object" ? document : void 0;
	const isAhead = options.ahead !== false;
	const send = sender(options);
	const store = openStore(options.storage ?? localStorageOf(page), name, inBody ? options.importFrom : void 0);
	const session = new LiveSession();
	const base = new URL(options.url || "/", globalThis.location?.href).href;
	const origins = [base, ...options.origins ?? []].map((url) => new URL(url).origin);
	const listening = new AbortController();
	let access;
	/** The token, or in cookie mode the retry id, that the server does not know: not asked for again until the next start. */
	let unknown;
	let refreshing;
	let acting;
	let failures = 0;
	let failed;
	let timer;
	let channel;
	/** Wakes whoever waits for another tab. */
	let wake = quiet;
	const has = (kept) => kept.s !== void 0 && (!inBody || !!kept.t) && (!unknown || unknown !== (kept.t ?? kept.r));
	/** Shows what is kept as the session. */
	const show = (kept, why) => {
		const before = session.current;
		if (access?.of !== kept.s) access = void 0;
		const isOut = why || kept.o || inBody || before.state !== "unknown";
		const signedOut = why ?? (kept.o ? {
			cause: kept.o[0],
			detail: kept.o[1]
		} : before.signedOut);
		const next = has(kept) ? {
			state: "signed-in",
			...kept.s && { id: kept.s },
			...access && { claims: readClaims(access.token) ?? {} }
		} : {
			state: isOut ? "signed-out" : "unknown",
			...signedOut && { signedOut }
		};
		if (JSON.stringify(next) === JSON.stringify(before)) return;
		session.current = next;
		session.dispatchEvent(new Event("change"));
		if (before.state === "signed-in" && next.state === "signed-out") session.dispatchEvent(new Event("signedout"));
	};
	/** Looks at what is kept: another tab may have changed it. */
	const look = async () => {
		const before = store.last;
		const kept = await store.read();
		show(kept);
		if (kept !== before) wake();
		return kept;
	};
	const tell = (message) => {
		try {
			channel?.postMessage({
				...message,
				kept: store.unshared()
			});
		} catch {}
	};
	const hear = async ({ was, entry, kept, access: theirs }) => {
		if (kept && (entry || was === store.last.s)) store.hear(kept);
		const { s } = await look();
		if (theirs && theirs.of === s && (!access || theirs.life > left(access).life)) hold({
			...theirs,
			since: now()
		});
		wake();
	};
	/** Until another tab changed something, or so long. */
	const another = (time) => new Promise((resolve) => {
		const limit = setTimeout(resolve, time);
		wake = () => {
			clearTimeout(limit);
			resolve();
		};
	});
	const hold = (next) => {
		access = next;
		failures = 0;
		failed = void 0;
		show(store.last);
		schedule();
	};
	/** A session begins with these tokens, or takes the place of the one that asked. */
	const enter = async (body, since, replaced) => {
		const token = text(body, answer.refresh);
		if (inBody && !token) throw new SpragError("refused", `the answer has no ${answer.refresh}; see the profile and the mode`);
		const was = store.last.s;
		const s = sessionOf(profile, body);
		let isIn = false;
		await store.update((kept) => {
			isIn = !replaced || kept.s === replaced.s || !!kept.o && kept.o[0] !== "logout";
			return isIn ? {
				i: kept.i,
				s,
				r: newId(),
				...inBody && token && { t: token }
			} : void 0;
		});
		if (!isIn) throw new SpragError("signed_out", "another tab logged in or out meanwhile; this answer is of no use any more");
		unknown = void 0;
		const next = accessOf(profile, body, s, true, since);
		hold(next);
		tell({
			was,
			entry: true,
			access: left(next)
		});
	};
	/** A refresh was answered. Gives the access token, where it is of the session that is kept. */
	const goOn = async (body, shown, since) => {
		const token = text(body, answer.refresh) ?? shown.t;
		const facts = readToken(token ?? "");
		const was = store.last.s;
		const s = sessionOf(profile, body) || facts?.session;
		const kept = await store.update((kept) => {
			if (!inBody) return kept.r === shown.r || !kept.o && (kept.s ?? s) === s ? {
				i: kept.i,
				s: s ?? "",
				r: kept.r === shown.r || !kept.r ? newId() : kept.r
			} : void 0;
			if (!kept.t || token === kept.t) return void 0;
			const before = readToken(kept.t);
			return (before ? facts?.session === before.session && facts.generation > before.generation : kept.t === shown.t) ? {
				i: kept.i,
				s: s || kept.s || "",
				r: newId(),
				t: token
			} : void 0;
		});
		if (!has(kept) || s && s !== kept.s) return void 0;
		const next = accessOf(profile, body, kept.s, facts?.generation === 0, since);
		hold(next);
		tell({
			was,
			access: left(next)
		});
		return next.token;
	};
	/** Forgets the session, here and in every tab. */
	const leave = async (isMine, cause, detail) => {
		const was = store.last.s;
		show(await store.update((kept) => isMine(kept) ? {
			i: kept.i,
			o: [cause, detail]
		} : void 0));
		tell({ was });
	};
	/** Whether the session that was refused is over; false where there is reason to ask once more. */
	const isOver = async (reply, shown, isFirst) => {
		const isSame = (kept) => inBody ? kept.t === shown.t : kept.r === shown.r;
		if (isSame(await look()) && store.last.p) await another(REPLACING);
		const kept = await look();
		if (!isSame(kept)) return !has(kept);
		const isUnknown = says(reply, profile, refusal.unknown);
		if (isFirst && kept.s !== void 0 && (!inBody || isUnknown)) {
			await another(1e3);
			return false;
		}
		const { code, message } = refusalOf(reply, profile);
		const cause = text(reply.body, refusal.cause) ?? (code === "refused" ? message : code);
		if (!isUnknown) await leave(isSame, cause, message);
		else if (inBody) {
			unknown = kept.t;
			show(kept, {
				cause,
				detail: message
			});
		} else show(await store.update(({ i, r }) => ({
			i,
			...r && { r }
		})), {
			cause,
			detail: message
		});
		return true;
	};
	/** What to show the server, with a retry id that every tab knows; undefined where there is nothing. */
	const prepared = async () => {
		const kept = await look();
		if (inBody && !has(kept)) return void 0;
		return kept.r ? kept : store.update((kept) => kept.r ? void 0 : {
			...kept,
			r: newId()
		});
	};
	const show_ = (shown) => send(routes.refresh, {
		body: inBody ? { [answer.refresh]: shown.t } : void 0,
		headers: {
			"Idempotency-Key": shown.r,
			"Sprag-Instance": shown.i
		}
	});
	const renew = async () => {
		await acting?.catch(quiet);
		if (failed && passed(failed.at) < failed.wait) throw failed.error;
		const begun = access;
		let refusals = 0;
		for (let round = 1;; round += 1) {
			const shown = await prepared();
			if (!shown) return void 0;
			if (access && access !== begun) return access.token;
			const since = now();
			const reply = await show_(shown).catch((error) => error);
			if (!(reply instanceof SpragError) && round < ROUNDS) {
				if (isGiven(reply, profile)) {
					const token = await goOn(reply.body, shown, since);
					if (token || !has(await look())) return token;
					continue;
				}
				if (says(reply, profile, [...refusal.ended, ...refusal.unknown])) {
					if (await isOver(reply, shown, !refusals++)) return void 0;
					continue;
				}
			}
			await fail(reply instanceof SpragError ? reply : refusalOf(reply, profile));
		}
	};
	/** Waits until the next try is due; rejects where whoever asked has waited long enough. */
	const fail = async (error) => {
		failures += 1;
		const isHopeless = !isFault(error) && error.status !== 401;
		const told = Math.min((error.retryAfter ?? 0) * 1e3, PATIENCE);
		const wait = Math.max(told, Math.min(1e3 * 2 ** (failures - 1), isHopeless ? HOPELESS : BACK_OFF) * between(.75, 1));
		if (failures < TRIES && !isHopeless && told <= 5e3) return another(wait);
		failed = {
			error,
			wait: Math.max(told, 1e3),
			at: now()
		};
		plan(wait);
		throw error;
	};
	const refresh = (refused) => {
		if (access && refused && access.token !== refused) return Promise.resolve(access.token);
		refreshing ??= renew().finally(() => {
			refreshing = void 0;
			schedule();
		});
		return refreshing;
	};
	const plan = (wait) => {
		clearTimeout(timer);
		if (listening.signal.aborted || !isAhead) return;
		timer = setTimeout(check, Math.min(wait, 1e9));
		timer.unref?.();
	};
	/** Plans the next refresh; a little later in each tab, so that one asks and the others hear of it. */
	const schedule = () => {
		if (!failed && access && session.state === "signed-in") plan(access.ahead - passed(access.since) + between(0, 2e3));
	};
	/** What is done at the start, on waking and in time: looks at what is kept, and refreshes where that is due. */
	const check = async () => {
		const kept = await look();
		if (listening.signal.aborted || !isAhead || page?.visibilityState === "hidden") return;
		if (inBody ? !has(kept) : kept.o) return;
		if (isDue(access)) await refresh().catch(quiet);
		else schedule();
	};
	const accessToken = async () => {
		if (session.state === "signed-out") return void 0;
		const last = access;
		if (isGood(last)) {
			if (isDue(last) && !failed) refresh().catch(quiet);
			return last.token;
		}
		return refresh().catch((error) => {
			if (last && last === access && passed(last.since) < last.life) return last.token;
			throw error;
		});
	};
	/** Tries a call again while it gets no answer. */
	const attempt = async (call) => {
		for (let tried = 1;; tried += 1) {
			const reply = await call().catch((error) => error);
			if (!isFault(reply) || tried === TRIES) {
				if (reply instanceof SpragError) throw reply;
				return reply;
			}
			await new Promise((resolve) => setTimeout(resolve, Math.max(1e3 * tried, Math.min((reply.retryAfter ?? 0) * 1e3, 5e3))));
		}
	};
	/** Runs an action alone: meanwhile no tab takes the end of the session that it replaces for the end of all. */
	const alone = async (action) => {
		await refreshing?.catch(quiet);
		const run = (async () => {
			await store.update((kept) => has(kept) ? {
				...kept,
				p: 1
			} : void 0);
			try {
				return await action();
			} finally {
				await store.update(({ p, ...kept }) => p ? kept : void 0);
			}
		})();
		acting = run;
		try {
			return await run;
		} finally {
			if (acting === run) acting = void 0;
		}
	};
	const route = (path) => {
		if (path) return path;
		throw new SpragError("not_offered", "the profile names no such call");
	};
	const given = (reply) => {
		if (reply.status < 200 || reply.status > 299) throw refusalOf(reply, profile);
		return reply.body ?? {};
	};
	/** Logs in or registers. */
	const begin = (path, fields, mustSignIn) => alone(async () => {
		const since = now();
		const { i, t } = await store.read();
		const token = inBody && profile.loginTakesToken && mustSignIn && t;
		const reply = await send(path, {
			body: {
				...!inBody && profile.cookie,
				...token && { [answer.refresh]: t },
				...fields
			},
			headers: { "Sprag-Instance": i }
		});
		const answered = given(reply);
		if (isGiven(reply, profile)) await enter(answered, since);
		else if (mustSignIn) throw refusalOf(reply, profile);
		return answered;
	});
	/** A call with the access token; refreshed and sent once more on 401. */
	const asUser = async (call) => {
		let bearer = await accessToken();
		if (!bearer) throw new SpragError("signed_out", "there is no session; log in first");
		const reply = await call(bearer);
		if (reply.status !== 401) return reply;
		bearer = await refresh(bearer);
		return bearer ? call(bearer) : reply;
	};
	/** Replaces the session by the one that is answered. */
	const replace = async (path, fields) => {
		const key = newId();
		let since = now();
		const reply = await asUser((bearer) => alone(async () => {
			const kept = await store.read();
			const body = {
				...inBody && { [answer.refresh]: kept.t },
				...fields
			};
			const headers = {
				"Idempotency-Key": key,
				"Sprag-Instance": kept.i,
				Authorization: `Bearer ${bearer}`
			};
			since = now();
			const reply = await attempt(() => send(path, {
				body,
				headers
			}));
			if (isGiven(reply, profile)) await enter(reply.body, since, kept);
			return reply;
		}));
		if (!isGiven(reply, profile)) throw refusalOf(reply, profile);
		return reply.body;
	};
	const client = {
		session,
		ready: look().then(() => inBody ? void check() : check(), quiet),
		login: async (fields) => begin(route(routes.login), fields, true),
		register: async (fields) => begin(route(routes.register), fields, false),
		stepUp: async (fields) => replace(route(routes.stepUp), fields),
		changePassword: async (current, next, more) => {
			const [before, after] = profile.passwordFields ?? ["current_password", "new_password"];
			return replace(route(routes.password), {
				...more,
				[before]: current,
				[after]: next
			});
		},
		async adopt(given_) {
			const since = now();
			const isResponse = given_ instanceof Response;
			const status = isResponse ? given_.status : 200;
			const body = isResponse ? await given_.json().catch(quiet) : given_;
			const reply = {
				status,
				body,
				retryAfter: void 0
			};
			if (!isGiven(reply, profile)) throw refusalOf(reply, profile);
			await enter(body, since);
			return body;
		},
		async logout() {
			const path = route(routes.logout);
			const kept = await store.read();
			const held = access;
			await leave(() => true, "logout", "you signed out");
			if (inBody && !kept.t) return;
			const bearer = async () => isGood(held) ? held.token : text((await attempt(() => show_({
				...kept,
				r: kept.r ?? newId()
			}))).body, answer.access);
			const token = profile.logoutByAccessToken ? await bearer() : void 0;
			const body = inBody ? { [answer.refresh]: kept.t } : void 0;
			const headers = {
				"Sprag-Instance": kept.i,
				...token && { Authorization: `Bearer ${token}` }
			};
			const reply = await attempt(() => send(path, {
				body,
				headers,
				keepalive: true
			}));
			if (isFault(reply) || reply.status === 403) throw refusalOf(reply, profile);
		},
		async logoutEverywhere() {
			const path = route(routes.logoutEverywhere);
			given(await asUser((bearer) => attempt(() => send(path, { headers: { Authorization: `Bearer ${bearer}` } }))));
			await leave(() => true, "logout_all", "you signed out on all devices");
		},
		fetch: bearing({
			allows: (url) => client.allows(url),
			accessToken,
			refresh
		}, options.fetch ?? platformFetch),
		accessToken,
		refresh,
		allows: (url) => origins.includes(new URL(url, globalThis.location?.href ?? base).origin),
		onSignedOut(listener) {
			const call = () => listener(session.current.signedOut);
			session.addEventListener("signedout", call);
			return () => session.removeEventListener("signedout", call);
		},
		close() {
			listening.abort();
			clearTimeout(timer);
			channel?.close();
			channel = void 0;
		}
	};
	listen();
	return client;
	function listen() {
		const { signal } = listening;
		const open = () => {
			if (channel || typeof BroadcastChannel === "undefined") return;
			channel = new BroadcastChannel(name);
			channel.unref?.();
			channel.onmessage = ({ data }) => void hear(data);
		};
		open();
		if (!page) return;
		const on = (target, event, listener) => target.addEventListener(event, listener, { signal });
		const retry = () => {
			failures = 0;
			failed = void 0;
			check();
		};
		on(page, "visibilitychange", () => void check());
		on(globalThis, "online", retry);
		on(globalThis, "storage", (event) => {
			const { key } = event;
			if (key === name || key === null) look();
		});
		on(globalThis, "pagehide", () => {
			channel?.close();
			channel = void 0;
		});
		on(globalThis, "pageshow", () => {
			open();
			check();
		});
	}
}
function localStorageOf(page) {
	try {
		return page && globalThis.localStorage;
	} catch {
		return;
	}
}
//#endregion
exports.SpragError = SpragError;
exports.createClient = createClient;
exports.expressMongo = expressMongo;
exports.fastapiEvents = fastapiEvents;
exports.fastapiMonorepo = fastapiMonorepo;
exports.fastapiTemplate = fastapiTemplate;
exports.nodeSequelize = nodeSequelize;
exports.readToken = readToken;
exports.sprag = sprag;
