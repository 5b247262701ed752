import Communication
import Inference
import LanguageModel
import Testing

struct GenerationRequestTests {
  private let configuration = ModelConfiguration.Preset.tiny.configuration

  private func message(_ request: GenerationRequest) -> String? {
    do {
      try request.validate(configuration)
      return nil
    } catch {
      #expect(error.refusal.kind == .usage)
      return error.message
    }
  }

  @Test("what cannot be continued is refused with the value")
  func refusals() {
    func request(_ prompt: [Int32] = [1], _ count: Int = 4, _ sampling: Sampling = Sampling()) -> String? {
      message(GenerationRequest(prompt: prompt, maximumNewTokens: count, sampling: sampling))
    }
    #expect(request() == nil)
    #expect(request([]) == "the prompt is empty; give at least one token")
    #expect(request([2047]) == nil)
    #expect(request([2048])?.contains("token 2048") == true)
    #expect(request([-1])?.contains("token -1") == true)
    #expect(request(Array(repeating: 0, count: 511)) == nil)
    #expect(request(Array(repeating: 0, count: 512))?.contains("512 positions") == true)
    #expect(request([1], -1)?.contains("-1 new tokens") == true)
    #expect(request([1], 4, Sampling(temperature: -0.5))?.contains("temperature -0.5") == true)
    #expect(request([1], 4, Sampling(temperature: .nan))?.contains("temperature") == true)
    #expect(request([1], 4, Sampling(topP: 0))?.contains("top-p 0") == true)
    #expect(request([1], 4, Sampling(topP: 1.5))?.contains("top-p 1.5") == true)
  }

  @Test("the cache is as long as the sequence can become")
  func positions() {
    func positions(_ promptCount: Int, _ new: Int) -> Int {
      GenerationRequest(prompt: Array(repeating: 0, count: promptCount), maximumNewTokens: new)
        .positionCount(configuration)
    }
    #expect(positions(10, 5) == 15)
    #expect(positions(500, 100) == 512)
    #expect(positions(500, .max) == 512)
    #expect(positions(3, 0) == 3)
  }
}
