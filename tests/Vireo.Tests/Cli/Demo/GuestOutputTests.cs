using System.Text;
using Vireo.Cli.Demo;

namespace Vireo.Tests.Cli.Demo;

public sealed class GuestOutputTests
{
    [Theory]
    [InlineData("hello\r\nvireo-guest: exit 3\r\n", "hello\n", 3)]
    [InlineData("vireo-guest: exit 0\r\n", "", 0)]
    [InlineData("no line end", "no line end", null)]
    [InlineData("vireo-gues", "vireo-gues", null)]
    [InlineData("v\r\nvireo-guest: exit 1\n", "v\n", 1)]
    [InlineData("10 %\r20 %\r\n", "10 %\r20 %\n", null)]
    [InlineData("text vireo-guest: exit 3\r\n", "text vireo-guest: exit 3\n", null)]
    [InlineData("vireo-guest: exit 4\r\nvireo-guest: exit 5\r\n", "", 5)]
    [InlineData("vireo-guest: exit 4\r\nmore\r\nvireo-guest: exit 5\r\n", "more\n", 5)]
    [InlineData("vireo-guest: exit 0\r\n[  1.0] reboot: Power down\r\n", "", 0)]
    [InlineData("vireo-guest: exit soon\r\n", "", null)]
    public void Write_GuestsLines_PassesOnAllButTheMarkedOnes(string printed, string expected, int? status)
    {
        // Byte by byte and all at once: where a read ends must not matter.
        foreach (int step in new[] { 1, 7, printed.Length })
        {
            using var destination = new MemoryStream();
            var output = new GuestOutput(destination);
            byte[] bytes = Encoding.UTF8.GetBytes(printed);
            for (int start = 0; start < bytes.Length; start += step)
            {
                output.Write(bytes.AsSpan(start, Math.Min(step, bytes.Length - start)));
            }

            output.Finish();

            Assert.Equal(expected, Encoding.UTF8.GetString(destination.ToArray()));
            Assert.Equal(status, output.ExitStatus);
        }
    }

    [Fact]
    public void Write_OtherMarkedLine_IsAWarning()
    {
        using var destination = new MemoryStream();
        var output = new GuestOutput(destination);

        output.Write("vireo-guest: module x was not loaded\r\n"u8);

        Assert.Equal(["module x was not loaded"], output.Warnings);
        Assert.Empty(destination.ToArray());
    }
}
