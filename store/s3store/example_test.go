package s3store_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
)

// A client of a server that is not Amazon's needs its endpoint. For Amazon S3, s3.NewFromConfig makes a client from the
// configuration and the credentials that package config of the SDK finds.
func ExampleOpen() {
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("https://s3.example.com"), Region: "us-east-1", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{}, errors.New("this example has no credentials")
		}),
	})
	s, err := s3store.Open(context.Background(), client, "bucket", &s3store.Options{Prefix: "patchsource"})
	if err != nil {
		fmt.Println("the store cannot be opened")
		return
	}
	defer s.Close()
	// Output: the store cannot be opened
}

// Of two servers that have read the same revision, one changes the record.
func Example() {
	ctx := context.Background()
	client := newFake() // an *s3.Client in a program
	a, err := s3store.Open(ctx, client, "bucket", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer a.Close()
	b, err := s3store.Open(ctx, client, "bucket", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer b.Close()
	key := store.Key{Kind: "titles", ID: "composer"}
	rev, err := a.Put(ctx, key, []byte("first"), store.IfAbsent())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = b.Put(ctx, key, []byte("second"), store.IfRevision(rev))
	fmt.Println(err)
	_, err = a.Put(ctx, key, []byte("third"), store.IfRevision(rev))
	fmt.Println(err)
	r, err := a.Get(ctx, key)
	fmt.Println(string(r.Value), err)
	// Output:
	// <nil>
	// record has changed
	// second <nil>
}
