/// The text of trace files, good and bad.
enum TraceText {
  static let process = #"{"ph":"M","name":"process_name","pid":0,"tid":0,"args":{"name":"rank 0 (alpha)"}}"#

  /// A file with these objects.
  static func file(_ objects: String...) -> String { #"{"traceEvents":[\#(objects.joined(separator: ","))]}"# }

  /// A task, each of its members given as JSON.
  static func task(
    rank: String = "0", start: String = "0", duration: String = "5", arguments: String = "{}", phase: String = #""X""#
  ) -> String {
    #"{"ph":\#(phase),"name":"own rows","cat":"compute","pid":\#(rank),"tid":0,"ts":\#(start),"dur":\#(duration),"#
      + #""args":\#(arguments)}"#
  }
}
