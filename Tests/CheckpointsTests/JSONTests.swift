import Checkpoints
import Testing

@Suite("JSON")
struct JSONTests {
  static let valid: [(String, JSONValue)] = [
    ("null", .null), (" true ", true), ("[]", []), ("{}", [:]), ("-12", -12), ("0", 0),
    ("9007199254740993", 9_007_199_254_740_993), ("9223372036854775807", .integer(.max)),
    ("9223372036854775808", .number(9.223372036854775808e18)), ("-0", .number(-0.0)), ("1.50", .number(1.5)),
    ("1e3", .number(1000)), ("[1,[2,{\"a\":[]}]]", [1, [2, ["a": []]]]),
    (#""\u00e9\ud83d\ude00\n\"\\\/é""#, "é😀\n\"\\/é"),
  ]

  @Test("is read", arguments: valid) func reading(text: String, value: JSONValue) throws {
    #expect(try JSONReader.parse(Array(text.utf8)) == value)
  }

  @Test("is read back as it was written", arguments: valid) func roundTrip(text: String, value: JSONValue) throws {
    #expect(try JSONReader.parse(Array(value.description.utf8)) == value)
    #expect(try JSONReader.parse(Array(value.indented.utf8)) == value)
  }

  static let invalid = [
    "", " ", "nul", "truefalse", "{", "[1", "[1,]", "{\"a\"}", "{\"a\":1,}", "{a:1}", "01", "+1", "1.", ".5", "1e",
    "NaN", "Infinity", "1e999", "\"", "\"\u{1}\"", #""\x""#, #""\u12""#, #""\ud800""#, #""\ud800A""#, "1 2",
    #"{"a":1,"a":1}"#, #"{"a":1,"\u0061":2}"#, "\u{feff}{}",
  ]

  @Test("that is wrong is refused", arguments: invalid) func refusals(text: String) {
    #expect(throws: JSONError.self) { try JSONReader.parse(Array(text.utf8)) }
  }

  @Test("that is not UTF-8 is refused") func encoding() {
    #expect(throws: JSONError.self) { try JSONReader.parse([0x22, 0xff, 0x22]) }
  }

  @Test("that is nested too deeply is refused, not followed") func depth() {
    let deep = { (count: Int) in
      [UInt8](repeating: UInt8(ascii: "["), count: count) + [UInt8](repeating: UInt8(ascii: "]"), count: count)
    }
    #expect(throws: Never.self) { try JSONReader.parse(deep(64)) }
    #expect(throws: JSONError.self) { try JSONReader.parse(deep(65)) }
    #expect(throws: JSONError.self) { try JSONReader.parse(deep(1_000_000)) }
  }

  @Test("numbers keep every bit of a Float", arguments: [0.02, 1e-5, 0.001, .leastNonzeroMagnitude, 3.4e38] as [Float])
  func floats(value: Float) throws {
    let text = JSONValue(value).description
    #expect(text.count < 10)
    #expect(try JSONReader.parse(Array(text.utf8)).double.map { Float($0) } == value)
  }
}
