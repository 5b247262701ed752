import Checkpoints
import Communication
import Testing

/// A safetensors file that is wrong in one way, and what its refusal says.
struct HostileFile: CustomTestStringConvertible, Sendable {
  let name: String
  let bytes: [UInt8]
  let complaint: String
  var tensor: String?

  var testDescription: String { name }

  init(
    _ name: String, _ header: String, data: Int = 0, length: UInt64? = nil, tensor: String? = nil,
    says complaint: String
  ) {
    self.name = name
    bytes = safetensors(header, data: [UInt8](repeating: 0, count: data), length: length)
    self.complaint = complaint
    self.tensor = tensor
  }

  init(_ name: String, bytes: [UInt8], says complaint: String) {
    self.name = name
    self.bytes = bytes
    self.complaint = complaint
  }

  /// A header with one tensor `a`.
  static func one(_ type: String, _ shape: String, _ offsets: String) -> String {
    #"{"a":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}}"#
  }

  static let good = one("F32", "[2]", "[0,8]")

  static let all: [HostileFile] = lengths + json + descriptions + sizes + coverage

  static let lengths: [HostileFile] = [
    HostileFile("empty file", bytes: [], says: "at least 8 bytes"),
    HostileFile("seven bytes", bytes: [1, 0, 0, 0, 0, 0, 0], says: "at least 8 bytes"),
    HostileFile("length beyond the file", good, data: 8, length: 1000, says: "cut short"),
    HostileFile("length one beyond the file", "{} ", length: 4, says: "cut short"),
    HostileFile("absurd length", good, data: 8, length: 100_000_001, says: "no safetensors file"),
    HostileFile("length of 2^63", good, data: 8, length: 1 << 63, says: "no safetensors file"),
    HostileFile("length of 2^64 - 1", good, data: 8, length: .max, says: "no safetensors file"),
    HostileFile("length of 0", "", says: "not valid JSON"),
  ]

  static let json: [HostileFile] = [
    HostileFile("not JSON", "hello", says: "not valid JSON"),
    HostileFile("JSON cut short", String(good.dropLast()), data: 8, says: "not valid JSON"),
    HostileFile("trailing zero bytes", good + "\0\0", data: 8, says: "not valid JSON"),
    HostileFile("byte order mark", "\u{feff}" + good, data: 8, says: "not valid JSON"),
    HostileFile("list instead of object", "[]", says: "no JSON object"),
    HostileFile("deep nesting", String(repeating: "[", count: 100_000), says: "nesting"),
    HostileFile(
      "name twice", good.dropLast() + "," + good.dropFirst(), data: 8, says: "the name \"a\" occurs twice"),
    HostileFile(
      "name twice, once escaped", good.dropLast() + #","\u0061":"# + good.dropFirst(5), data: 8, says: "occurs twice"),
    HostileFile(
      "member twice", #"{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, data: 8,
      says: "occurs twice"),
    HostileFile(
      "not UTF-8", bytes: [6, 0, 0, 0, 0, 0, 0, 0] + Array("{\"".utf8) + [0xff] + Array("\":1".utf8),
      says: "not UTF-8"),
    HostileFile("number as metadata", #"{"__metadata__":{"a":1}}"#, says: "other than text"),
    HostileFile("text as metadata", #"{"__metadata__":"a"}"#, says: "no JSON object"),
  ]

  static let descriptions: [HostileFile] = [
    HostileFile("tensor as list", #"{"a":["F32",[2],[0,8]]}"#, data: 8, tensor: "a", says: "no JSON object"),
    HostileFile("no dtype", #"{"a":{"shape":[2],"data_offsets":[0,8]}}"#, data: 8, tensor: "a", says: "no dtype"),
    HostileFile("unknown dtype", one("F33", "[2]", "[0,8]"), data: 8, tensor: "a", says: "F33 does not exist"),
    HostileFile("dtype in small letters", one("f32", "[2]", "[0,8]"), data: 8, tensor: "a", says: "does not exist"),
    HostileFile("no shape", #"{"a":{"dtype":"F32","data_offsets":[0,8]}}"#, data: 8, tensor: "a", says: "shape"),
    HostileFile("negative extent", one("F32", "[-2]", "[0,8]"), data: 8, tensor: "a", says: "shape"),
    HostileFile("two negative extents", one("F32", "[-1,-2]", "[0,8]"), data: 8, tensor: "a", says: "shape"),
    HostileFile("fractional extent", one("F32", "[2.0]", "[0,8]"), data: 8, tensor: "a", says: "shape"),
    HostileFile(
      "extent beyond 64 bits", one("F32", "[36893488147419103232]", "[0,8]"), data: 8, tensor: "a", says: "shape"),
    HostileFile("text as extent", one("F32", "[\"2\"]", "[0,8]"), data: 8, tensor: "a", says: "shape"),
    HostileFile("no offsets", #"{"a":{"dtype":"F32","shape":[2]}}"#, data: 8, tensor: "a", says: "data_offsets"),
    HostileFile("one offset", one("F32", "[2]", "[0]"), data: 8, tensor: "a", says: "data_offsets"),
    HostileFile("three offsets", one("F32", "[2]", "[0,8,8]"), data: 8, tensor: "a", says: "data_offsets"),
    HostileFile("negative offset", one("F32", "[2]", "[-8,0]"), data: 8, tensor: "a", says: "data_offsets"),
    HostileFile("end before start", one("F32", "[2]", "[8,0]"), data: 8, tensor: "a", says: "data_offsets"),
    HostileFile("exponent in an offset", one("F32", "[2]", "[0,8e0]"), data: 8, tensor: "a", says: "data_offsets"),
  ]

  static let sizes: [HostileFile] = [
    HostileFile("shape larger than its bytes", one("F32", "[3]", "[0,8]"), data: 8, tensor: "a", says: "12 bytes"),
    HostileFile("shape smaller than its bytes", one("F32", "[1]", "[0,8]"), data: 8, tensor: "a", says: "4 bytes"),
    HostileFile("dtype of another width", one("F64", "[2]", "[0,8]"), data: 8, tensor: "a", says: "16 bytes"),
    HostileFile(
      "extents whose product overflows", one("F32", "[4294967296,4294967296]", "[0,0]"), tensor: "a",
      says: "overflows"),
    HostileFile(
      "extents whose product overflows before a zero", one("F32", "[4294967296,4294967296,0]", "[0,0]"), tensor: "a",
      says: "overflows"),
    HostileFile(
      "bytes that overflow", one("F64", "[2305843009213693952]", "[0,0]"), tensor: "a", says: "overflows"),
    HostileFile("half a byte", one("F4", "[3]", "[0,2]"), data: 2, tensor: "a", says: "no whole number"),
    HostileFile(
      "absurd shape", one("F32", "[1000000000000]", "[0,4000000000000]"), data: 8, tensor: "a", says: "ends at"),
  ]

  static let coverage: [HostileFile] = [
    HostileFile("end beyond the file", one("F32", "[4]", "[0,16]"), data: 8, tensor: "a", says: "ends at byte 16"),
    HostileFile(
      "offset at the end of numbers", one("U8", "[0]", "[9223372036854775807,9223372036854775807]"), tensor: "a",
      says: "hole"),
    HostileFile("data cut short", good, data: 7, tensor: "a", says: "holds 7 bytes"),
    HostileFile("data after the last tensor", good, data: 9, says: "holds 9 bytes"),
    HostileFile("data without tensors", "{}", data: 1, says: "holds 1 bytes"),
    HostileFile("hole at the start", one("F32", "[1]", "[4,8]"), data: 8, tensor: "a", says: "hole"),
    HostileFile("hole in the middle", two("[0,4]", "[8,12]"), data: 12, tensor: "b", says: "hole"),
    HostileFile("overlap", two("[0,4]", "[2,6]"), data: 6, tensor: "b", says: "overlaps"),
    HostileFile("same bytes twice", two("[0,4]", "[0,4]"), data: 4, tensor: "b", says: "overlaps"),
  ]

  private static func two(_ first: String, _ second: String) -> String {
    one("F32", "[1]", first).dropLast() + "," + one("F32", "[1]", second).replacing("\"a\"", with: "\"b\"").dropFirst()
  }
}

@Suite("Headers of safetensors files")
struct SafetensorsHeaderTests {
  private let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("that are wrong are refused, naming file and tensor", arguments: HostileFile.all)
  func hostile(file: HostileFile) throws {
    let path = try folder.write("model.safetensors", file.bytes)
    let error = try #require(throws: CheckpointError.self) { try SafetensorsFile(path) }
    #expect(error.code == .malformed)
    #expect(error.path == path)
    #expect(error.tensor == file.tensor)
    #expect(error.description.contains(file.complaint), "\(error)")
    #expect(!error.description.contains { $0.isNewline })
    #expect(error.refusal.kind == .invalidData)
  }

  /// What Python's `safetensors` 0.8.0 accepts too.
  static let accepted: [(String, String, Int)] = [
    ("plain", HostileFile.good, 8),
    ("no tensors", "{}", 0),
    ("only metadata", #"{"__metadata__":{"a":"b"}}"#, 0),
    ("no metadata", #"{"__metadata__":null}"#, 0),
    ("space around", "  " + HostileFile.good + "\n\t ", 8),
    ("an unknown member", #"{"a":{"dtype":"F32","x":[1.5],"shape":[2],"data_offsets":[0,8]}}"#, 8),
    ("a scalar", HostileFile.one("F32", "[]", "[0,4]"), 4),
    ("six dimensions", HostileFile.one("U8", "[1,1,1,1,1,1]", "[0,1]"), 1),
    ("an empty tensor", HostileFile.one("F32", "[0,4294967296,4294967296]", "[0,0]"), 0),
    ("an empty name", #"{"":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 1),
    ("half-byte elements", HostileFile.one("F4", "[4]", "[0,2]"), 2),
    (
      "data in another order, at odd places",
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[1,5]},"b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#, 5
    ),
    (
      "empty tensors between others",
      #"{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#, 1
    ),
  ]

  @Test("that are unusual but right are accepted", arguments: accepted)
  func unusual(name: String, header: String, data: Int) throws {
    let path = try folder.write(
      "model.safetensors", safetensors(header, data: [UInt8](repeating: 0, count: data)))
    #expect(throws: Never.self) { try SafetensorsFile(path) }
  }

  @Test("know every element type and its size", arguments: ElementType.allCases) func types(type: ElementType) throws {
    let header = HostileFile.one(type.rawValue, "[8]", "[0,\(type.bitCount)]")
    let path = try folder.write(
      "model.safetensors", safetensors(header, data: [UInt8](repeating: 0, count: type.bitCount)))
    let entry = try SafetensorsFile(path).entry("a")
    #expect(entry.type == type)
    #expect(entry.elementCount == 8)
  }

  @Test("cut anywhere are refused") func truncation() throws {
    let whole = safetensors(HostileFile.good, data: [UInt8](repeating: 7, count: 8))
    for count in 0..<whole.count {
      let path = try folder.write("model.safetensors", Array(whole.prefix(count)))
      #expect(throws: CheckpointError.self, "\(count) bytes") { try SafetensorsFile(path) }
    }
  }

  @Test("are not looked for in directories and pipes") func otherKinds() throws {
    #expect(throws: CheckpointError.self) { try SafetensorsFile(folder.path) }
    #expect(throws: CheckpointError.self) { try SafetensorsFile("/dev/zero") }
    let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(folder.file("absent")) }
    #expect(error?.code == .missing)
    #expect(error?.refusal.kind == .missingInput)
  }
}
