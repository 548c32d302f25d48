//! Mistakes that backends make, as changes of the example backend.

/// One of them.
pub(super) struct Mutant {
    /// What it does wrong.
    pub(super) name: &'static str,
    /// The rule it breaks.
    pub(super) breaks: &'static str,
    /// It shows between two processes only.
    pub(super) takes_two: bool,
    /// Each text is in the example once, and becomes the other.
    changes: &'static [(&'static str, &'static str)],
}

impl Mutant {
    /// The example with the mistake in it.
    pub(super) fn of(&self, source: &str) -> String {
        self.changes
            .iter()
            .fold(source.to_owned(), |text, (from, to)| {
                let found = text.matches(from).count();
                assert_eq!(
                    found, 1,
                    "{}: {from:?} is in the example {found} times",
                    self.name
                );
                text.replace(from, to)
            })
    }
}

const fn alone(
    name: &'static str,
    breaks: &'static str,
    changes: &'static [(&'static str, &'static str)],
) -> Mutant {
    Mutant {
        name,
        breaks,
        takes_two: false,
        changes,
    }
}

const fn with_two(
    name: &'static str,
    breaks: &'static str,
    changes: &'static [(&'static str, &'static str)],
) -> Mutant {
    Mutant {
        name,
        breaks,
        takes_two: true,
        changes,
    }
}

const CLOSE_UNANSWERED: &str = "\
from websockets.frames import Opcode
from websockets.protocol import Protocol
send_frame = Protocol.send_frame
Protocol.send_frame = lambda self, frame: frame.opcode is Opcode.CLOSE or send_frame(self, frame)
asyncio.run(main())";

const PARTS: &str = "\
    async def parts(self, text):
        yield text[:2]
        await self.socket.pong(f\"hf1:accepted={self.accepted}\")
        yield text[2:]

    def end(self):";

const STAYS_OPEN: (&str, &str) = (
    "            if older.connection == conn:\n",
    "            if older is conn:\n",
);
const NEVER_LOOKS: (&str, &str) = ("if owned.get(r.name) != r.generation]", "if not ME]");

pub(super) const MUTANTS: &[Mutant] = &[
    alone(
        "says the contract on a 101 alone",
        "contract-header",
        &[(
            "    answer.headers[\"Holdfast-Contract\"]",
            "    answer.headers[\"Holdfast-Contract\" if answer.status_code == 101 else \"X\"]",
        )],
    ),
    alone(
        "always starts at the beginning by its own account",
        "position",
        &[("str(socket.leg.place)", "\"0\"")],
    ),
    alone(
        "has no generation",
        "generation",
        &[("\"Holdfast-Generation\"", "\"Holdfast-Something\"")],
    ),
    alone(
        "begins to count at one",
        "accepted-header",
        &[("fetchone() or (0, 0)", "fetchone() or (0, 1)")],
    ),
    alone(
        "counts each leg alone",
        "accepted-across",
        &[("str(socket.leg.accepted)", "\"0\"")],
    ),
    alone(
        "forgets the last message it acknowledged",
        "accepted-across",
        &[(
            "str(socket.leg.accepted)",
            "str(max(socket.leg.accepted - 1, 0))",
        )],
    ),
    alone(
        "writes markers with a space",
        "marker-form",
        &[("hf1:id={", "hf1:id= {")],
    ),
    alone(
        "puts a marker into a message",
        "marker-place",
        &[
            ("self.socket.send(f\"", "self.socket.send(self.parts(f\""),
            ("said[self.place - 1]}\")", "said[self.place - 1]}\"))"),
            ("def end(self):", PARTS),
        ],
    ),
    alone(
        "gives two messages one id",
        "ids",
        &[("hf1:id={self.place}", "hf1:id={(self.place + 1) // 2}")],
    ),
    alone(
        "names a message behind it",
        "once",
        &[
            (
                "await self.socket.pong(f\"hf1:id={self.place}\")\n",
                "pass\n",
            ),
            (
                "said[self.place - 1]}\")\n",
                "said[self.place - 1]}\")\n                \
                 await self.socket.pong(f\"hf1:id={self.place}\")\n",
            ),
        ],
    ),
    alone(
        "never says what it accepted",
        "accepts",
        &[(
            "            await self.socket.pong(f\"hf1:accepted={self.accepted}\")\n",
            "",
        )],
    ),
    alone(
        "acknowledges one more than it has",
        "accepted-count",
        &[(
            "hf1:accepted={self.accepted}",
            "hf1:accepted={self.accepted + 1}",
        )],
    ),
    alone(
        "goes on with what is new",
        "resume",
        &[("header, int(place))", "header, len(room.said))")],
    ),
    alone(
        "skips the message behind the place",
        "resume",
        &[(
            "header, int(place))",
            "header, int(place) + (place != \"0\"))",
        )],
    ),
    alone(
        "repeats the message at the place",
        "resume",
        &[("header, int(place))", "header, max(int(place) - 1, 0))")],
    ),
    alone(
        "believes the path before the header",
        "path-id",
        &[(
            "header(\"Last-Event-ID\", \"0\")",
            "request.path.partition(\"last_event_id=\")[2] or header(\"Last-Event-ID\", \"0\")",
        )],
    ),
    alone(
        "does not answer Close",
        "close-answered",
        &[("asyncio.run(main())", CLOSE_UNANSWERED)],
    ),
    alone(
        "takes an attempt twice",
        "attempt",
        &[("if attempt <= highest:", "if attempt < highest:")],
    ),
    alone(
        "does not say which attempt was the highest",
        "attempt",
        &[("{\"Holdfast-Attempt\": str(highest)}", "{}")],
    ),
    alone("leaves older legs open", "older-leg-ends", &[STAYS_OPEN]),
    alone(
        "accepts from older legs",
        "older-leg-fenced",
        &[STAYS_OPEN, ("AND attempt = ? \"", "AND attempt >= ? \"")],
    ),
    alone(
        "counts what it has not said",
        "once",
        &[
            ("INSERT INTO said", "REPLACE INTO said"),
            (
                "        room.said.append(text)",
                "        self.accepted % 3 and room.said.append(text)",
            ),
        ],
    ),
    alone(
        "says everything twice",
        "once",
        &[(
            "        room.said.append(text)",
            "        room.said += [text, text]",
        )],
    ),
    with_two(
        "does not say who owns the room",
        "owner",
        &[("{\"Holdfast-Owner\": owner}", "{}")],
    ),
    with_two(
        "takes no room from anybody",
        "take-over",
        &[("(None, ME, *gone)", "(None, ME)")],
    ),
    with_two(
        "keeps the generation over a claim",
        "generation-changes",
        &[
            (
                "(ME, generation + 1, name, generation)",
                "(ME, generation, name, generation)",
            ),
            ("Room(name, generation + 1)", "Room(name, generation)"),
        ],
    ),
    with_two(
        "accepts for a room that was taken",
        "old-owner-fenced",
        &[
            NEVER_LOOKS,
            (
                "EXISTS (SELECT 1 FROM rooms WHERE name = ? AND owner = ? AND generation = ?)",
                "(? || ? || ?) IS NOT NULL",
            ),
            ("INSERT INTO said", "REPLACE INTO said"),
        ],
    ),
    with_two(
        "does not let go of a room that was taken",
        "old-owner-ends",
        &[NEVER_LOOKS],
    ),
    with_two(
        "closes with its own mistake's code",
        "old-owner-ends",
        &[("self.socket.close(1012)", "self.socket.close(1011)")],
    ),
    with_two(
        "takes back what was taken from it",
        "old-owner-redirects",
        &[
            ("rooms = {}", "had, rooms = set(), {}"),
            (
                "    return rooms.setdefault",
                "    had.add(name)\n    return rooms.setdefault",
            ),
            (
                "(None, ME, *gone):",
                "(None, ME, *gone) and name not in had:",
            ),
        ],
    ),
    with_two(
        "keeps some of it in memory alone",
        "take-over",
        &[(
            "            db.execute(\"INSERT INTO said",
            "            self.accepted % 3 and db.execute(\"INSERT INTO said",
        )],
    ),
];
