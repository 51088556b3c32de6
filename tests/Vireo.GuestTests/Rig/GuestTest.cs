using System.Security.Cryptography;
using System.Text;
using Xunit;

namespace Vireo.GuestTests.Rig;

/// <summary>Base of every test class that runs guests: starts them and all they need, and leaves nothing behind.</summary>
/// <remarks>
/// xunit makes one object for each test and disposes it at its end. Classes run side by side (see VIREO_GUESTS in ./test), the tests of
/// one class one after the other. The transcript of a test is kept when it fails.
/// </remarks>
public abstract class GuestTest : IDisposable
{
    private readonly Stack<IDisposable> _started = new();
    private readonly Transcript _transcript;
    private int _guests;
    private int _daemons;

    protected GuestTest()
    {
        // A short name: socket paths have room for 107 bytes.
        Scratch = Directory.CreateTempSubdirectory("vireo-").FullName;
        string test = TestContext.Current.Test?.TestDisplayName ?? GetType().Name;
        _transcript = new Transcript(Path.Combine(Repository.Transcripts, $"{FileName(test)}.log"));
    }

    /// <summary>A folder that belongs to this test alone and is removed at its end.</summary>
    protected string Scratch { get; }

    /// <summary>Starts a guest and returns at once; see <see cref="Guest.WaitUntilReady"/>.</summary>
    protected Guest StartGuest(QemuCommand command)
    {
        string name = $"guest{++_guests}";
        string folder = InScratch(name);
        Directory.CreateDirectory(folder);
        return Own(new Guest(name, command, folder, _transcript));
    }

    /// <summary>Starts a guest and waits until it obeys.</summary>
    protected Guest BootGuest(QemuCommand command)
    {
        Guest guest = StartGuest(command);
        guest.WaitUntilReady();
        return guest;
    }

    /// <summary>Starts a vireo process and waits until it serves. At the end of a test that passed it must stop well on SIGTERM.</summary>
    protected VireoDaemon StartVireo(params string[] arguments) => StartVireo(arguments, environment: null);

    /// <summary>The same with further environment variables.</summary>
    protected VireoDaemon StartVireo(string[] arguments, IReadOnlyDictionary<string, string>? environment) =>
        Own(new VireoDaemon($"vireo{++_daemons}", _transcript, arguments, environment));

    /// <summary>Runs vireo to its end, good or bad: for command lines that do not serve. See its Output and Errors.</summary>
    protected (int Status, ChildProcess Process) RunVireo(params string[] arguments)
    {
        ChildProcess process = StartProgram(Repository.VireoProgram, arguments);
        return (process.WaitForExit(RigTimeouts.Program), process);
    }

    /// <summary>Starts a program on this host (of a component: see <see cref="GuestArtifacts.Program"/>).</summary>
    protected ChildProcess StartProgram(string program, params string[] arguments) =>
        Own(ChildProcess.Start(Path.GetFileName(program), _transcript, program, arguments));

    /// <summary>Runs a program on this host to its end, which must be a good one, and gives its output.</summary>
    protected string RunProgram(string program, params string[] arguments)
    {
        using var child = ChildProcess.Start(Path.GetFileName(program), _transcript, program, arguments);
        int status = child.WaitForExit(RigTimeouts.Command);
        return status == 0
            ? string.Join('\n', child.Output.Lines())
            : throw new GuestException($"{child.Name} ended with status {status}.", _transcript);
    }

    /// <summary>A path in the folder of this test.</summary>
    protected string InScratch(string name) => Path.Combine(Scratch, name);

    /// <summary>Makes a file of zeros that takes no room until it is written to.</summary>
    protected string CreateImage(string name, long lengthBytes)
    {
        string path = InScratch(name);
        using FileStream file = File.Create(path);
        file.SetLength(lengthBytes);
        return path;
    }

    /// <summary>
    /// Makes a disk of 64 MiB from which a BIOS or UEFI boots the guest (set <see cref="QemuCommand.BootsFromDisk"/>), reading
    /// kernel and initramfs by their own drivers.
    /// </summary>
    protected string CreateBootDisk(string name, QemuCommand command)
    {
        string path = InScratch(name);
        string script = Path.Combine(Repository.Root, "eng/guest/bootdisk.sh");
        RunProgram(script, path, command.KernelCommandLine);
        return path;
    }

    /// <summary>Writes a line to the transcript.</summary>
    protected void Note(string text) => _transcript.Write("test", text);

    /// <summary>Ends what still runs, last started first, and looks whether it ended well.</summary>
    public void Dispose()
    {
        bool isGood = TestContext.Current.TestState?.Result != TestResult.Failed;
        try
        {
            EndAll(isGood);
        }
        catch
        {
            isGood = false;
            throw;
        }
        finally
        {
            _transcript.Dispose();
            if (isGood)
            {
                _transcript.Delete();
            }
            else
            {
                TestContext.Current.TestOutputHelper?.WriteLine($"Transcript: {_transcript.Path}");
            }

            Directory.Delete(Scratch, recursive: true);
        }

        GC.SuppressFinalize(this);
    }

    protected GuestException Failure(string message) => new(message, _transcript);

    private T Own<T>(T started)
        where T : IDisposable
    {
        _started.Push(started);
        return started;
    }

    private void EndAll(bool isGood)
    {
        GuestException? failure = null;
        while (_started.TryPop(out IDisposable? started))
        {
            try
            {
                // A daemon that a test ended itself has been judged there.
                if (isGood && started is VireoDaemon { Process.HasExited: false } daemon)
                {
                    daemon.Stop();
                }
            }
            catch (GuestException caught)
            {
                failure ??= caught;
            }

            started.Dispose();
        }

        if (failure is not null)
        {
            throw failure;
        }
    }

    /// <summary>A test's name as one of a file, which has room for 255 bytes: of a longer one its start and what tells it from others.</summary>
    private static string FileName(string test)
    {
        const int room = 180;
        string name = string.Concat(
            test.Select(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '-' ? letter : '_')
        );
        return name.Length <= room
            ? name
            : $"{name[..room]}-{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(test)))[..8]}";
    }
}
