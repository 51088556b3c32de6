using Vireo.Cli;
using Vireo.Cli.Record;
using Vireo.Linux.Files;
using Vireo.Tests.Linux;

namespace Vireo.Tests.Cli.Record;

public sealed class RecordingTests : IDisposable
{
    private static readonly RecordedMessage Message = new()
    {
        Session = 2,
        Time = TimeSpan.FromMicroseconds(1234567),
        Direction = MessageDirection.BackEndRequest,
        Request = 2,
        Flags = 9,
        Payload = [1, 2, 255],
        Descriptors = [new(DescriptorKind.RegularFile, 4096), new(DescriptorKind.Anonymous, 0)],
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Read_WhatWasWritten_IsTheSame()
    {
        string path = Write(Message, Message with { Direction = MessageDirection.FrontEnd, Descriptors = [] });

        List<RecordedMessage> messages = RecordingReader.Read(path);

        Assert.Equal(2, messages.Count);
        Assert.Equal(Message.Session, messages[0].Session);
        Assert.Equal(Message.Time, messages[0].Time);
        Assert.Equal(Message.Direction, messages[0].Direction);
        Assert.Equal(Message.Request, messages[0].Request);
        Assert.Equal(Message.Flags, messages[0].Flags);
        Assert.Equal(Message.Payload, messages[0].Payload);
        Assert.Equal(Message.Descriptors, messages[0].Descriptors);
        Assert.Equal("BACKEND_CONFIG_CHANGE_MSG", messages[0].Name);
        Assert.Equal("SET_FEATURES", messages[1].Name);
    }

    [Fact]
    public void Read_LastLineCutOff_IsLeftOut()
    {
        string path = Write(Message, Message);
        string text = File.ReadAllText(path);
        File.WriteAllText(path, text[..^20]);

        Assert.Single(RecordingReader.Read(path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("not JSON\n")]
    [InlineData("{}\n")]
    [InlineData("{\"vireo_recording\":2}\n")]
    [InlineData("{\"vireo_recording\":\"1\"}\n")]
    public void Read_NoRecording_SaysSo(string content)
    {
        string path = _folder["other"];
        File.WriteAllText(path, content);

        CommandException exception = Assert.Throws<CommandException>(() => RecordingReader.Read(path));
        Assert.Contains("is no recording", exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("\"session\":2", "\"session\":\"x\"")]
    [InlineData("\"payload\":\"0102ff\"", "\"payload\":\"0102f\"")]
    [InlineData("\"from\":\"back-end request\"", "\"from\":\"somebody\"")]
    [InlineData("\"kind\":\"RegularFile\"", "\"kind\":\"Nonsense\"")]
    [InlineData("\"bytes\":4096", "\"bytes\":-1")]
    [InlineData("\"bytes\":4096", "\"bytes\":9223372036854775807")]
    [InlineData("\"request\":2", "\"request\":-2")]
    [InlineData("\"flags\":9,", "")]
    public void Read_LineThatIsNoMessage_NamesIt(string part, string replacement)
    {
        string path = Write(Message, Message);
        string[] lines = File.ReadAllLines(path);
        Assert.Contains(part, lines[1], StringComparison.Ordinal);
        lines[1] = lines[1].Replace(part, replacement, StringComparison.Ordinal);
        File.WriteAllLines(path, lines);

        CommandException exception = Assert.Throws<CommandException>(() => RecordingReader.Read(path));
        Assert.Contains("line 2", exception.Message, StringComparison.Ordinal);
    }

    private string Write(params RecordedMessage[] messages)
    {
        using var writer = new RecordingWriter(_folder["recording"]);
        foreach (RecordedMessage message in messages)
        {
            writer.Write(message);
        }

        return _folder["recording"];
    }
}
