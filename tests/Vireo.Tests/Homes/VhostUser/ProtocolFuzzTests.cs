using System.Diagnostics;
using System.Globalization;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Homes.VhostUser;

/// <summary>
/// Conversations that go wrong, from seeds. Runs for two seconds, or as many as VIREO_FUZZ_SECONDS says, from the seed VIREO_FUZZ_SEED
/// if there is one.
/// </summary>
[Collection(DescriptorCountCollection.Name)]
public sealed class ProtocolFuzzTests(ITestOutputHelper output)
{
    [Fact]
    public void Conversations_ThatGoWrong_LeaveTheHomeAliveAndNothingBehind()
    {
        int seed = Number("VIREO_FUZZ_SEED", Random.Shared.Next());
        var time = TimeSpan.FromSeconds(Number("VIREO_FUZZ_SECONDS", 2));
        long begin = Stopwatch.GetTimestamp();
        output.WriteLine($"first seed {seed}");
        while (Stopwatch.GetElapsedTime(begin) < time)
        {
            Run(seed);
            seed = unchecked(seed + 1);
        }

        output.WriteLine($"last seed {seed - 1}");
    }

    /// <summary>Seeds that have found something.</summary>
    [Theory]
    [InlineData(1)]
    public void Conversation_ThatOnceFoundSomething_IsHarmless(int seed) => Run(seed);

    private static void Run(int seed)
    {
        using HomeUnderTest home = new(new ProbeDevice());
        try
        {
            home.Negotiate().Dispose();
            home.ExpectLog("has closed the connection");
            int before = DescriptorCountCollection.Count();
            using (ProtocolFuzzer fuzzer = new(seed))
            using (FrontEnd frontEnd = home.Connect())
            {
                fuzzer.Converse(frontEnd);
            }

            using (FrontEnd next = ConnectWhenFree(home))
            {
                next.Settle();
            }

            // Fewer are fine: the first connection may not have been quite closed when they were counted.
            Assert.True(
                SpinWait.SpinUntil(() => DescriptorCountCollection.Count() <= before, FrontEnd.Patience),
                "descriptors were left open"
            );
        }
        catch (Exception exception)
        {
            throw new InvalidOperationException(
                $"seed {seed}: {exception.Message}\n{string.Join('\n', home.Log.Lines)}",
                exception
            );
        }
    }

    /// <summary>The home may still be busy with the end of the last connection.</summary>
    private static FrontEnd ConnectWhenFree(HomeUnderTest home)
    {
        long begin = Stopwatch.GetTimestamp();
        while (true)
        {
            FrontEnd frontEnd = home.Connect();
            if (frontEnd.TryNegotiate())
            {
                return frontEnd;
            }

            frontEnd.Dispose();
            Assert.True(Stopwatch.GetElapsedTime(begin) < FrontEnd.Patience, "nobody is let in any more");
        }
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text
            ? int.Parse(text, CultureInfo.InvariantCulture)
            : otherwise;
}
