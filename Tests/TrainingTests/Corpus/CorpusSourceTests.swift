import Testing
import Training

struct CorpusSourceTests {
  @Test("paths are text unless one safetensors file is named")
  func tells() throws {
    #expect(try CorpusSource(["a", "b.txt"]) == .text(["a", "b.txt"]))
    #expect(try CorpusSource(["a.safetensors"]) == .tokenFile("a.safetensors"))
  }

  @Test(
    "no path and mixed paths are refused",
    arguments: [[], ["a.txt", "b.safetensors"], ["a.safetensors", "b.safetensors"]])
  func refuses(paths: [String]) { #expect(throws: CorpusError.self) { try CorpusSource(paths) } }
}
