using Vireo.Cli.Configuration;

namespace Vireo.Tests.Cli.Configuration;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0L)]
    [InlineData("4096", 4096L)]
    [InlineData("1k", 1024L)]
    [InlineData("512M", 512L << 20)]
    [InlineData("10G", 10L << 30)]
    [InlineData("7E", 7L << 60)]
    [InlineData("9223372036854775807", long.MaxValue)]
    public void TryParse_Size_IsItsBytes(string text, long bytes) => Assert.Equal(bytes, ByteSize.TryParse(text));

    [Theory]
    [InlineData("")]
    [InlineData("K")]
    [InlineData("8E")]
    [InlineData("-1")]
    [InlineData("+1")]
    [InlineData(" 1")]
    [InlineData("1.5G")]
    [InlineData("1GB")]
    [InlineData("9223372036854775808")]
    public void TryParse_NoSize_IsNull(string text) => Assert.Null(ByteSize.TryParse(text));

    [Theory]
    [InlineData(0L, "0")]
    [InlineData(1L, "1")]
    [InlineData(1536L, "1536")]
    [InlineData(2048L, "2K")]
    [InlineData(10L << 30, "10G")]
    public void Format_UsesTheLargestWholeUnit(long bytes, string text) => Assert.Equal(text, ByteSize.Format(bytes));
}
