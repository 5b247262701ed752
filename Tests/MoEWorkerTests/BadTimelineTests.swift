import Foundation
import Testing

/// Files that are no traces, and pictures that cannot be written.
@Suite(.serialized) struct BadTimelineTests {
  @Test(arguments: BadInput.timelines) func isRefused(input: BadInput) throws { try input.check(ranks: 1) }

  @Test(arguments: BadInput.timelines.prefix(3)) func isRefusedByAllRanksAlike(input: BadInput) throws {
    try input.check(ranks: 4)
  }
}

extension BadInput {
  /// A file with this text in a trace's place.
  private static func trace(_ description: String, saying: [String], _ text: String) -> BadInput {
    BadInput(description, exitCode: 65, saying: ["trace.json"] + saying) { folder in
      ["timeline", try folder.write("trace.json", text), "--output", folder.file("picture.svg")]
    }
  }

  private static func task(_ description: String, saying: [String], _ object: String) -> BadInput {
    trace(description, saying: ["event 1"] + saying, TraceText.file(TraceText.process, object))
  }

  private static func output(
    _ description: String, saying: [String], _ options: @escaping @Sendable (Folder) throws -> [String]
  ) -> BadInput {
    BadInput(description, exitCode: 73, saying: saying) { folder in
      ["timeline", try folder.write("trace.json", TraceText.file(TraceText.task()))] + (try options(folder))
    }
  }

  static let timelines: [BadInput] = files + events + outputs

  private static let files: [BadInput] = [
    BadInput("a trace that is not there", exitCode: 66, saying: ["nowhere.json"]) { folder in
      ["timeline", folder.file("nowhere.json")]
    },
    BadInput("a trace that is a directory", exitCode: 65, saying: ["folder"]) { folder in
      try folder.write("folder/file", "")
      return ["timeline", folder.file("folder")]
    },
    trace("an empty file", saying: ["JSON"], ""),
    trace("text", saying: ["JSON"], "once upon a time"),
    trace("half a trace", saying: ["JSON"], String(TraceText.file(TraceText.task()).dropLast(12))),
    BadInput("bytes that are no text", exitCode: 65, saying: ["trace.json", "JSON"]) { folder in
      ["timeline", try folder.write("trace.json", Data(#"{"traceEvents":[""#.utf8) + [0xff, 0x22, 0x5d, 0x7d])]
    },
    trace("a text in UTF-16", saying: ["JSON"], "\u{0}{\u{0}}"),
    trace("a hundred thousand brackets", saying: ["nesting"], String(repeating: "[", count: 100_000)),
    trace("another JSON file", saying: ["traceEvents"], #"{"step": 1, "loss": 2.5}"#),
    trace("a number", saying: ["traceEvents"], "1"),
    trace("events that are no list", saying: ["traceEvents"], #"{"traceEvents":{"ph":"X"}}"#),
    trace("two lists of events", saying: ["twice"], #"{"traceEvents":[],"traceEvents":[]}"#),
    trace("no events", saying: ["no tasks"], TraceText.file()),
    trace("names only", saying: ["no tasks"], TraceText.file(TraceText.process)),
    trace(
      "another program's events", saying: ["no tasks"],
      TraceText.file(#"{"ph":"X","name":"f","cat":"function","pid":1,"tid":1,"ts":0,"dur":1}"#)),
  ]

  private static let events: [BadInput] = [
    task("an event that is a number", saying: ["no object"], "3"),
    task("an event without a phase", saying: ["'ph'"], #"{"name":"own rows"}"#),
    task("a phase that is a number", saying: ["'ph'"], TraceText.task(phase: "7")),
    task("a task without a rank", saying: ["'pid'"], TraceText.task(rank: "null")),
    task("a negative rank", saying: ["'pid'"], TraceText.task(rank: "-1")),
    task("a huge rank", saying: ["'pid'"], TraceText.task(rank: "9223372036854775807")),
    task("a rank that is a fraction", saying: ["'pid'"], TraceText.task(rank: "0.5")),
    task("a time that is text", saying: ["'ts'"], TraceText.task(start: #""0""#)),
    task("a huge time", saying: ["'ts'"], TraceText.task(start: "9223372036854775807")),
    task("a time far in the past", saying: ["'ts'"], TraceText.task(start: "-1e300")),
    task("a duration that is missing", saying: ["'dur'"], TraceText.task(duration: "null")),
    task("a negative duration", saying: ["'dur'"], TraceText.task(duration: "-1")),
    task("a huge duration", saying: ["'dur'"], TraceText.task(duration: "1e308")),
    task("a layer that is text", saying: ["'layer'"], TraceText.task(arguments: #"{"layer":"first"}"#)),
    task("a huge layer", saying: ["'layer'"], TraceText.task(arguments: #"{"layer":99999999999}"#)),
    task("an expert that is a fraction", saying: ["'expert'"], TraceText.task(arguments: #"{"expert":0.5}"#)),
    task("a pass that nobody knows", saying: ["'pass'"], TraceText.task(arguments: #"{"pass":"sideways"}"#)),
    task("arguments that are a list", saying: ["'args'"], TraceText.task(arguments: "[]")),
    task(
      "a name that is a number", saying: ["'name'"], #"{"ph":"M","name":"process_name","pid":0,"args":{"name":0}}"#),
    trace("a number beyond all limits", saying: ["too large"], TraceText.file(TraceText.task(start: "1e999"))),
  ]

  private static let outputs: [BadInput] = [
    output("a picture over the trace", saying: ["trace itself"]) { ["--output", $0.file("trace.json")] },
    output("a picture over the trace, by another way", saying: ["trace itself"]) {
      ["--output", $0.path + "/./trace.json"]
    },
    output("a picture that is there already, unasked", saying: ["trace.svg", "--output"]) {
      try $0.write("trace.svg", "mine")
      return []
    },
    output("a picture in no folder", saying: ["nowhere"]) { ["--output", $0.file("nowhere/picture.svg")] },
    output("a picture that is a directory", saying: ["folder"]) {
      try $0.write("folder/file", "")
      return ["--output", $0.file("folder")]
    },
    output("a picture that is a device", saying: ["/dev/null"]) { _ in ["--output", "/dev/null"] },
  ]
}
